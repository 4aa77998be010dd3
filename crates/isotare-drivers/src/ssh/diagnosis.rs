//! Finds the reason of a failure in the client's output.

use isotare_core::Unavailable;

/// Messages of the client, and their remedies.
const CAUSES: [(&str, &str); 9] = [
    (
        "Host key verification failed",
        "check the machine's key and add it (connect once by hand, or ssh-keyscan HOST >> FILE with known-hosts=FILE)",
    ),
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "check the machine's key; if the change is right, ssh-keygen -R HOST",
    ),
    (
        "Permission denied",
        "set the right user= and key=, load the key into ssh-agent, or authorise it on that machine",
    ),
    ("Too many authentication failures", "name the key: key=FILE"),
    ("Connection refused", "start sshd on that machine, or set its port="),
    ("Could not resolve hostname", "correct host=, or add the name to ~/.ssh/config"),
    ("timed out", "check that the machine is running and reachable"),
    ("No route to host", "check that the machine is running and reachable"),
    ("not done by the deadline", "check that the machine is running and reachable"),
];

/// The reason and the remedy.
pub(super) fn diagnose(how: &str, said: &str) -> Unavailable {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let known = CAUSES.iter().find(|(cause, _)| said.contains(cause) || how.contains(cause));
    let told = known.and_then(|(cause, _)| lines.iter().rev().find(|line| line.contains(cause)));
    let reason = match told.or(lines.last()) {
        Some(line) => format!("{how}: {line}"),
        None => how.to_owned(),
    };
    let remedy = known.map_or("try to log in with ssh by hand", |(_, remedy)| remedy);
    Unavailable::new(reason, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    // As OpenSSH 9.2 says it.
    #[test]
    fn each_cause_has_its_remedy() {
        for (said, remedy) in [
            (
                "No ED25519 host key is known for 10.0.0.2 and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n",
                "known-hosts=",
            ),
            ("root@10.0.0.2: Permission denied (publickey).\r\n", "key="),
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n", "start sshd"),
            ("ssh: Could not resolve hostname nope: Name or service not known\r\n", "host="),
            ("ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n", "reachable"),
            ("cat: write error: No space left on device\n", "by hand"),
        ] {
            let found = diagnose("ssh: exit status: 255", said);
            assert!(found.remedy.contains(remedy), "{found:?}");
            assert!(found.reason.contains(said.trim().rsplit(' ').next().unwrap_or("")), "{found:?}");
        }
        assert_eq!(diagnose("ssh: gone", "").reason, "ssh: gone");
    }
}
