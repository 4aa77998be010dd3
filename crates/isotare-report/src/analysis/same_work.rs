//! Whether environments did the same work as the baseline, judged by the output of the work.
//!
//! An example: in a sandbox without `sort`, `sh -c 'sort big | wc -l; echo done'` ends at once with status 0.
//! Its output is "0\ndone", while the baseline's is "120000\ndone". So it did different work, and its times
//! cannot be compared.

use super::design::{Design, Place};
use crate::report::{Warning, WarningKind};
use crate::words::percent;
use isotare_core::{Captured, Failure, MeasuredBy, Outcome, Session, Streams, Trial, WorkloadInfo};
use isotare_stats::median;

/// How much of each end of a stream is quoted, in characters.
const QUOTED: usize = 60;
/// How much is shown around the place where two outputs differ, in characters.
const AROUND: usize = 20;
/// One trial is not enough to show that the output is always the same.
const FEWEST: usize = 2;
/// A time, as a fraction of the baseline's, that is too short to be explained by isolation.
const FAR_BELOW: f64 = 0.5;

/// What the baseline wrote under one workload.
struct Reference<'a> {
    /// The baseline's name.
    name: String,
    /// Standard output, if it was the same in every trial.
    stdout: Result<&'a Captured, [&'a Captured; 2]>,
    /// Whether standard error was empty, if that was the same in every trial.
    is_quiet: Option<bool>,
}

impl<'a> Reference<'a> {
    /// `None`: the workload's output does not show which work was done, or there are too few trials.
    fn of(design: &Design<'a>, workload: usize) -> Option<Self> {
        if !design.info(workload).repeats_output {
            return None;
        }
        let is_baseline = |place: &Place| {
            let arm = &design.environments[place.environment];
            place.workload == workload && (arm.is_baseline || arm.is_null)
        };
        let written: Vec<&Streams> = design
            .completed()
            .filter(|(place, _)| is_baseline(place))
            .filter_map(|(_, trial)| trial.output.as_ref())
            .collect();
        let first = *written.first().filter(|_| written.len() >= FEWEST)?;
        let other = written.iter().find(|streams| !is_same(&streams.stdout, &first.stdout));
        let is_quiet = first.stderr.bytes == 0;
        Some(Self {
            name: design.environments.iter().find(|arm| arm.is_baseline)?.name.clone(),
            stdout: other.map_or(Ok(&first.stdout), |other| Err([&first.stdout, &other.stdout])),
            is_quiet: written
                .iter()
                .all(|streams| (streams.stderr.bytes == 0) == is_quiet)
                .then_some(is_quiet),
        })
    }

    /// How a trial's output differs from what the baseline always writes; `None`: it does not.
    fn difference(&self, streams: &Streams) -> Option<String> {
        let name = &self.name;
        let stdout = self.stdout.ok().filter(|stdout| !is_same(stdout, &streams.stdout)).map(|stdout| {
            let [here, there] = [&streams.stdout, stdout].map(described);
            format!("it wrote {here} to standard output, while {name} wrote {there}")
        });
        let stderr = match (self.is_quiet, streams.stderr.bytes == 0) {
            (Some(true), false) => {
                let here = described(&streams.stderr);
                Some(format!("it wrote {here} to standard error, while {name} wrote nothing"))
            }
            (Some(false), true) => {
                Some(format!("it wrote nothing to standard error, while {name} wrote something"))
            }
            _ => None,
        };
        let found: Vec<String> = stdout.into_iter().chain(stderr).collect();
        (!found.is_empty()).then(|| found.join("; "))
    }
}

fn is_same(a: &Captured, b: &Captured) -> bool {
    (a.bytes, &a.sha256) == (b.bytes, &b.sha256)
}

/// Size and text of a stream in quotation marks, with escapes for line feeds and control characters. A long
/// stream is shown by its beginning, its end and its hash.
fn described(stream: &Captured) -> String {
    let size = match stream.bytes {
        0 => return "nothing".to_owned(),
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    let text: Vec<char> = stream.text().chars().collect();
    let quoted = |part: &[char]| format!("{:?}", part.iter().collect::<String>());
    if text.len() <= 2 * QUOTED && stream.cut() == 0 {
        return format!("{size}, {}", quoted(&text));
    }
    let (head, tail) =
        (quoted(&text[..QUOTED.min(text.len())]), quoted(&text[text.len().saturating_sub(QUOTED)..]));
    format!("{size}, {head} … {tail} (SHA-256 {}…)", stream.sha256.get(..12).unwrap_or_default())
}

/// The completed trials whose output shows that they did different work, as positions in `trials`, with the
/// difference. The baseline's output is always the same, and theirs differs from it.
pub fn different_work(session: &Session, trials: &[Trial]) -> Vec<(usize, String)> {
    if session.plan.accept_different_output {
        return Vec::new();
    }
    let design = Design::new(session, trials);
    let references: Vec<_> = (0..design.workloads.len()).map(|at| Reference::of(&design, at)).collect();
    let different = |(at, trial): (usize, &Trial)| {
        let place = design.place(trial.condition)?;
        let arm = &design.environments[place.environment];
        let is_judged = trial.outcome == Outcome::Completed && !arm.is_baseline && !arm.is_null;
        let reference = references[place.workload].as_ref().filter(|_| is_judged)?;
        Some((at, reference.difference(trial.output.as_ref()?)?))
    };
    trials.iter().enumerate().filter_map(different).collect()
}

/// Makes such trials invalid and returns their positions. Calling it again with the same trials changes
/// nothing.
pub fn judge_work(session: &Session, trials: &mut [Trial]) -> Vec<usize> {
    let found = different_work(session, trials);
    let invalid = |(at, difference): (usize, String)| {
        let trial = &mut trials[at];
        let reason = format!(
            "the same work was not done: {difference}; if this difference is expected, use \
             --accept-different-output to count the trial"
        );
        let said = trial.output.as_ref().map(|streams| streams.stderr.text().into_owned());
        trial.outcome = Outcome::Invalid;
        trial.failure = Some(Failure { reason, diagnostics: said.unwrap_or_default() });
        at
    };
    found.into_iter().map(invalid).collect()
}

/// Warnings about the outputs in one environment: the baseline's output changes, or a difference was
/// accepted.
pub(super) fn doubts(design: &Design<'_>, place: Place) -> Vec<Warning> {
    let Some(reference) = Reference::of(design, place.workload) else { return Vec::new() };
    let mut warnings = Vec::new();
    if let Err([one, other]) = reference.stdout {
        let message = format!(
            "the output of {} changes from trial to trial, so it cannot show whether the same work was done: \
             {}",
            reference.name,
            change(one, other)
        );
        warnings.push(Warning { kind: WarningKind::OutputChanges, message });
    }
    let written = || {
        let here = design.completed().filter(|(at, _)| *at == place);
        here.filter_map(|(_, trial)| trial.output.as_ref())
    };
    if let Some(difference) = written().find_map(|streams| reference.difference(streams)) {
        let message = format!("its output is accepted, but differs: {difference}");
        warnings.push(Warning { kind: WarningKind::DifferentOutput, message });
    }
    warnings
}

/// A warning if an instance contained only a program's known files, and others may have been missing.
pub(super) fn missing(design: &Design<'_>, place: Place, info: &WorkloadInfo) -> Option<Warning> {
    let why = info.needs_more.as_ref()?;
    let mut here = design.completed().filter(|(at, _)| at.environment == place.environment);
    here.any(|(_, trial)| trial.facts.get("image").is_some_and(|image| image == "agent")).then(|| {
        let message = format!(
            "{why}, but here the root file system contains no other programs and files (image=agent); use \
             image=host or another image, or name the files with --carry"
        );
        Warning { kind: WarningKind::Incomplete, message }
    })
}

/// A warning if a command took much less time than in the baseline and also much less CPU time, in about the
/// same proportion. Isolation cannot halve the cost of the same work, so less work was done. On a busy
/// machine the times also include waiting, so it is enough if the CPU time fell by half as much on the log
/// scale.
pub(super) fn less(design: &Design<'_>, place: Place, baseline: usize) -> Option<Warning> {
    let ratio = |value: fn(&Trial) -> Option<f64>| {
        let typical = |environment| {
            let here = design.counted().filter(|(at, _)| *at == Place { environment, ..place });
            median(&here.filter_map(|(_, trial)| value(trial)).collect::<Vec<_>>())
        };
        Some(typical(place.environment)? / typical(baseline).filter(|base| *base > 0.0)?)
    };
    let (time, cpu) = (ratio(wall_time)?, ratio(cpu_time)?);
    (time.max(cpu) <= FAR_BELOW && cpu * cpu <= time).then(|| {
        let message = format!(
            "it did less work: it needed only {} of the baseline's CPU time and {} of its time, but \
             isolation cannot make the same work so much cheaper",
            percent(cpu),
            percent(time)
        );
        Warning { kind: WarningKind::DidLessWork, message }
    })
}

/// Time of one run of a command, s.
fn wall_time(trial: &Trial) -> Option<f64> {
    figure(trial, "wall_time")
}

/// CPU time of one run of a command, s.
fn cpu_time(trial: &Trial) -> Option<f64> {
    Some(figure(trial, "user_time")? + figure(trial, "system_time")?)
}

fn figure(trial: &Trial, name: &str) -> Option<f64> {
    let mut own = trial.samples.iter().filter(|sample| sample.source == MeasuredBy::Workload);
    own.find(|sample| sample.metric.name == name).map(|sample| sample.value)
}

/// The first difference between two outputs of the same command.
fn change(one: &Captured, other: &Captured) -> String {
    let [a, b] = [one, other].map(|stream| stream.text().chars().collect::<Vec<char>>());
    let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let around = |text: &[char]| {
        let part = &text[at.saturating_sub(AROUND)..text.len().min(at + AROUND)];
        format!("{:?}", part.iter().collect::<String>())
    };
    match one.bytes == other.bytes {
        true => format!("{} in one, {} in another", around(&a), around(&b)),
        false => format!(
            "{} bytes with {} in one, {} bytes with {} in another",
            one.bytes,
            around(&a),
            other.bytes,
            around(&b)
        ),
    }
}

#[cfg(test)]
mod tests;
