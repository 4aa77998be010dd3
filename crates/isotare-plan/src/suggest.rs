//! "Did you mean …?": the known word nearest to a mistyped one.

/// The nearest of `known`, if it is so near that a typing error explains the difference.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// What to do about an unknown word: the nearest known one, or all of them.
pub(crate) fn remedy<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => match known.into_iter().collect::<Vec<_>>().as_slice() {
            [] => "remove it; no key is allowed here".to_owned(),
            [only] => format!("write '{only}'"),
            several => format!("write one of {}", several.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_other_words_find_none() {
        let known = ["environments", "seed", "level", "min-blocks"];
        for (word, near) in [("enviroments", "environments"), ("sede", "seed"), ("min_blocks", "min-blocks")]
        {
            assert_eq!(nearest(word, known), Some(near));
        }
        assert_eq!(nearest("Seed", known), Some("seed"));
        assert_eq!(nearest("timeout", known), None);
    }
}
