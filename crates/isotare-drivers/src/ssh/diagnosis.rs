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
        REFUSED,
        "name the right user= and key=, load the key into ssh-agent (ssh-add), or authorise it there (ssh-copy-id HOST)",
    ),
    ("Too many authentication failures", "name the key: key=FILE"),
    ("Connection refused", "start sshd on that machine, or set its port="),
    ("Could not resolve hostname", "correct host=, or add the name to ~/.ssh/config"),
    ("timed out", "check that the machine is running and reachable"),
    ("No route to host", "check that the machine is running and reachable"),
    ("not done by the deadline", "check that the machine is running and reachable"),
];

/// How a refusal begins; the ways of logging in that the machine still takes follow in parentheses.
const REFUSED: &str = "Permission denied";

/// Nobody is asked for a password: it would have to be given again in every trial, and its reader would be timed.
const NO_PASSWORDS: &str = "it asks for a password, and isotare gives none";
const KEYS: &str = "log in by a key: put yours there (ssh-copy-id HOST; its sshd must allow PubkeyAuthentication), and name \
    it with key= or load it into ssh-agent (ssh-add)";

/// Whether what the client said last of a refusal leaves a password as the only way, or as another way than keys.
fn wants_password(said: &str) -> Option<(bool, &str)> {
    let refusal = said.lines().rev().find(|line| line.contains(REFUSED))?.trim();
    let (_, ways) = refusal.trim_end_matches('.').split_once(" (")?;
    let ways: Vec<&str> = ways.trim_end_matches(')').split(',').collect();
    let is_typed = |way: &&str| ["password", "keyboard-interactive"].contains(way);
    ways.iter().any(is_typed).then(|| (ways.iter().all(is_typed), refusal))
}

/// The reason and the remedy.
pub(super) fn diagnose(how: &str, said: &str) -> Unavailable {
    match wants_password(said) {
        Some((true, refusal)) => return Unavailable::new(format!("{NO_PASSWORDS} ({refusal})"), KEYS),
        Some((false, refusal)) => {
            let reason = format!(
                "it takes none of the keys that were tried, and isotare gives no password ({refusal})"
            );
            return Unavailable::new(reason, KEYS);
        }
        None => {}
    }
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

    // Messages of OpenSSH 9.2.
    #[test]
    fn a_password_is_never_given() {
        for (said, reason) in [
            ("me@vm: Permission denied (password,keyboard-interactive).\r\n", "it asks for a password"),
            ("banner\nme@vm: Permission denied (password).\r\n", "it asks for a password"),
            ("me@vm: Permission denied (publickey,password).\r\n", "it takes none of the keys"),
        ] {
            let found = diagnose("ssh: exit status: 255", said);
            assert!(
                found.reason.starts_with(reason) && found.reason.contains("Permission denied ("),
                "{found:?}"
            );
            for help in ["key=", "ssh-agent", "ssh-copy-id"] {
                assert!(found.remedy.contains(help), "{found:?}");
            }
        }
        let by_key = diagnose("ssh: exit status: 255", "me@vm: Permission denied (publickey).\r\n");
        assert!(!by_key.to_string().contains("password"), "{by_key:?}");
    }

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
