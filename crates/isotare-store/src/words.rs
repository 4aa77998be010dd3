//! The words that enums are stored as, and back.

use isotare_core::{Better, MeasuredBy, Outcome, Phase, Role, SessionEnd};

/// An enum that is stored as a word.
pub(crate) trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// Its word, the same as in every output.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

impl Word for Outcome {
    const ALL: &'static [Self] = &Outcome::ALL;
    fn word(self) -> &'static str {
        Outcome::word(self)
    }
}

impl Word for Phase {
    const ALL: &'static [Self] =
        &[Phase::Create, Phase::Start, Phase::Ready, Phase::Exec, Phase::Stop, Phase::Delete];
    fn word(self) -> &'static str {
        Phase::word(self)
    }
}

impl Word for Role {
    const ALL: &'static [Self] = &Role::ALL;
    fn word(self) -> &'static str {
        Role::word(self)
    }
}

impl Word for Better {
    const ALL: &'static [Self] = &[Better::Higher, Better::Lower];
    fn word(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }
}

impl Word for MeasuredBy {
    const ALL: &'static [Self] = &MeasuredBy::ALL;
    fn word(self) -> &'static str {
        MeasuredBy::word(self)
    }
}

impl Word for SessionEnd {
    const ALL: &'static [Self] = &SessionEnd::ALL;
    fn word(self) -> &'static str {
        SessionEnd::word(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survive<T: Word + PartialEq + std::fmt::Debug>() {
        for &value in T::ALL {
            assert_eq!(T::of(value.word()), Some(value));
        }
        assert_eq!(T::of("nothing"), None);
    }

    #[test]
    fn every_word_in_the_store_is_read_back() {
        survive::<Outcome>();
        survive::<Phase>();
        survive::<Role>();
        survive::<Better>();
        survive::<SessionEnd>();
    }
}
