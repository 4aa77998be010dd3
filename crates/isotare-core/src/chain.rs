//! An error with what caused it, for where only text is kept or shown.

use std::error::Error;

/// What happened and why, from the outermost error to the first cause. A cause that the error above it says
/// itself, as some of other crates do, is left out.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut told = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if told.last().is_none_or(|above| !above.contains(&said)) {
            told.push(said);
        }
        source = cause.source();
    }
    told
}

/// [`causes`] as one text: `open store /s.db: permission denied`.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    causes(error).join(": ")
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
        assert_eq!(causes(&Outer::Silent(cause())), ["open x", "read y", "gone"]);
        assert_eq!(causes(&Outer::Said(cause())), ["open x: read y", "gone"]);
    }
}
