//! An error with what caused it, for where only text is kept.

use std::error::Error;

/// What happened and why, from the outermost error to the first cause: `open store /s.db: permission denied`. A cause that an error
/// says itself is not said twice.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("open x")]
        Silent(#[source] io::Error),
        #[error("open x: {0}")]
        Said(#[source] io::Error),
        #[error(transparent)]
        Same(io::Error),
        #[error("read y")]
        Inner(#[source] io::Error),
    }

    #[test]
    fn each_cause_is_written_once() {
        let cause = || io::Error::other(Outer::Inner(io::Error::other("gone")));
        for error in [Outer::Silent(cause()), Outer::Said(cause())] {
            assert_eq!(with_sources(&error), "open x: read y: gone");
        }
        assert_eq!(with_sources(&Outer::Same(cause())), "read y: gone");
    }
}
