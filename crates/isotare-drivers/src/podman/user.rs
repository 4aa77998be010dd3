//! The user whose containers they are.

use isotare_core::{Deadline, Unavailable};
use isotare_host::{find_program, output_of};

/// A user of this machine, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
}

/// Looks a user up in whatever database this machine has.
pub(super) fn find(name: &str, deadline: &Deadline) -> Result<User, Unavailable> {
    let unknown = |why: &str| {
        Unavailable::new(format!("user '{name}' cannot be looked up: {why}"), "name a user of this machine")
    };
    let id = find_program("id").ok_or_else(|| unknown("there is no program 'id'"))?;
    let ask = |what: &str| {
        let output =
            output_of(&id, &[what, "--", name], deadline).map_err(|error| unknown(&error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| unknown(String::from_utf8_lossy(&output.stderr).trim()))
    };
    let user = User { id: ask("-u")?, group: ask("-g")? };
    if user.id == 0 {
        return Err(unknown("root has no rootless containers"));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use std::time::Duration;

    #[test]
    fn only_an_ordinary_user_will_do() {
        let deadline = isotare_host::deadline_in(Duration::from_secs(5), &Interrupt::default());
        assert!(find("nobody", &deadline).is_ok());
        assert!(
            find("no-such-user-here", &deadline).expect_err("unknown").reason.contains("no-such-user-here")
        );
        assert!(find("root", &deadline).is_err());
    }
}
