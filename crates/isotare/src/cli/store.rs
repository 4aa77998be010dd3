//! The types of `isotare store`.

use super::{Form, Places};
use clap::{Args, Subcommand};

/// `isotare store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: StoreVerb,
}

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// Show the size of the store, and the size of the workload output that each session keeps.
    Size {
        /// Format of the output.
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
        /// Where sessions are kept.
        #[command(flatten)]
        places: Places,
    },
    /// Remove sessions: the named ones, or old ones, chosen by age and number. A session that is still
    /// running is kept.
    Prune(Prune),
    /// Return unused space to the file system. While this runs, it needs as much free space as the store
    /// takes.
    Vacuum {
        /// Where sessions are kept.
        #[command(flatten)]
        places: Places,
    },
    /// Print the complete output of a trial to stdout, byte for byte. Only sessions that ran with
    /// --keep-output contain it.
    Output(KeptOutput),
}

/// `isotare store prune`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["sessions", "older_than", "keep"])))]
pub struct Prune {
    /// Sessions: their ids, or the first characters of the ids.
    #[arg(value_name = "SESSION", conflicts_with_all = ["older_than", "keep"])]
    pub sessions: Vec<String>,
    /// Remove sessions that started longer ago than this, such as 30d, 2w or 12h.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub older_than: Option<u64>,
    /// Keep the newest N sessions. Together with --older-than, these N sessions are kept even if they are
    /// old.
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Only show which sessions would be removed.
    #[arg(long)]
    pub dry_run: bool,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare store output`.
#[derive(Debug, Args)]
pub struct KeptOutput {
    /// Session: its id, the first characters of its id, or `last`.
    pub session: String,
    /// Number of the trial in the session, from 0, as in the JSON report.
    pub trial: u32,
    /// Print its standard error instead of its standard output.
    #[arg(long)]
    pub stderr: bool,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// An age in seconds.
fn parse_age(text: &str) -> Result<u64, String> {
    let days = |days: u64| days * 24 * 3600;
    let age = text.char_indices().last().and_then(|(end, unit)| {
        let factor = match unit {
            'h' => 3600,
            'd' => days(1),
            'w' => days(7),
            _ => return None,
        };
        text[..end].parse::<u64>().ok()?.checked_mul(factor).filter(|age| i64::try_from(*age).is_ok())
    });
    age.ok_or_else(|| {
        "the value has to be a number of hours, days or weeks, such as 12h, 30d or 2w".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_with_their_unit() {
        assert_eq!(
            [parse_age("12h"), parse_age("30d"), parse_age("2w")],
            [Ok(43_200), Ok(2_592_000), Ok(1_209_600)]
        );
        assert!(
            ["", "d", "30", "30m", "-1d", "1.5d", "99999999999999999w"]
                .iter()
                .all(|text| parse_age(text).is_err())
        );
    }
}
