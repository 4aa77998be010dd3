//! One session from plan to report.

use crate::choose::Probed;
use crate::cli::{Output, Places};
use crate::exit::{Exit, fault, refuse, store_error};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::{output, resolve};
use isotare_core::{
    Condition, EnvironmentSpec, Interrupt, Outcome, Plan, Session, SessionEnd, Trial, WorkloadInfo,
};
use isotare_report::{analyse, judge_work};
use isotare_runner::{Bench, BenchError, Places as BenchPlaces, Work};
use isotare_store::{Record, Store};
use miette::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The user's wish to stop: the first SIGINT, SIGTERM or SIGHUP ends the session cleanly, a second one at
/// once.
pub fn interrupt() -> Result<Interrupt, Report> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let interrupt = Interrupt::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, interrupt.flag())
            .and_then(|_| signal_hook::flag::register(signal, interrupt.flag()))
            .map_err(|error| fault(format!("signal {signal} cannot be handled: {error}"), ""))?;
    }
    Ok(interrupt)
}

/// The store of sessions at this path, to read; `elsewhere` says how to name another.
pub fn kept_sessions(path: &Path, elsewhere: &str) -> Result<Store, Report> {
    if !path.exists() {
        return Err(refuse(format!("there is no store of sessions at {}", path.display()), elsewhere));
    }
    Store::open_to_read(path).map_err(|error| store_error(error, ""))
}

/// One session of it.
pub fn kept_session(store: &Store, session: &str) -> Result<Record, Report> {
    let remedy = "'isotare report --list' lists the stored sessions";
    let mut record = store.load(session).map_err(|error| store_error(error, remedy))?;
    // If the session was killed, its outputs have not been compared yet.
    judge_work(&record.session, &mut record.trials);
    Ok(record)
}

/// Where sessions are kept.
pub fn store_path(places: &Places) -> Result<PathBuf, Report> {
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    places
        .store
        .clone()
        .or_else(|| home("XDG_DATA_HOME").map(|data| data.join("isotare/isotare.db")))
        .or_else(|| home("HOME").map(|home| home.join(".local/share/isotare/isotare.db")))
        .ok_or_else(|| {
            refuse(
                "isotare does not know where to store sessions, because HOME is not set",
                "name a file with --store",
            )
        })
}

/// Runs a plan, stores the trials and shows the report.
pub fn execute(
    plan: Plan,
    machine: Machine,
    probed: Vec<Probed>,
    interrupt: &Interrupt,
    (output, places): (&Output, &Places),
) -> Result<Exit, Report> {
    let mut store = Store::open(&store_path(places)?).map_err(|error| store_error(error, ""))?;
    let works = resolve::works(&plan)?;
    let measured = measure((plan, works), machine, &probed, interrupt, &mut store)?;
    conclude(measured, output)
}

/// Continues a session that was interrupted, and shows the report of all of it.
pub fn resume(
    earlier: Record,
    machine: Machine,
    probed: &[Probed],
    interrupt: &Interrupt,
    (output, store): (&Output, &mut Store),
) -> Result<Exit, Report> {
    let works = resolve::works(&earlier.session.plan)?;
    store.reopen(&earlier.session.id).map_err(|error| store_error(error, ""))?;
    let cut_short = |trial: &Trial| trial.outcome == Outcome::Interrupted;
    let trials = earlier.trials.into_iter().filter(|trial| !cut_short(trial)).collect();
    let measured = go_on(earlier.session, trials, works, machine, probed, interrupt, store)?;
    conclude(measured, output)
}

/// The result of one execution of a plan.
pub struct Measured {
    /// The session.
    pub session: Session,
    /// Its trials.
    pub trials: Vec<Trial>,
    /// How it ended, or why it could not go on.
    pub ended: Result<SessionEnd, BenchError>,
    /// Whether its end is in the store.
    pub kept: Result<(), Report>,
}

/// Runs a plan and stores its trials. Afterwards, everything except the store is removed from the machine.
pub fn measure(
    (plan, works): (Plan, Vec<Work>),
    machine: Machine,
    probed: &[Probed],
    interrupt: &Interrupt,
    store: &mut Store,
) -> Result<Measured, Report> {
    let session = Session {
        id: machine.session.clone(),
        started: machine.started.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: std::env::args().collect(),
        host: machine.facts(),
        environments: probed.iter().map(|p| (p.environment.to_string(), p.found.clone())).collect(),
        workloads: workloads(&plan, &works),
        plan,
    };
    store.begin(&session).map_err(|error| store_error(error, ""))?;
    go_on(session, Vec::new(), works, machine, probed, interrupt, store)
}

/// Runs what is left of a session that is in the store, after its `earlier` trials.
fn go_on(
    session: Session,
    earlier: Vec<Trial>,
    works: Vec<Work>,
    machine: Machine,
    probed: &[Probed],
    interrupt: &Interrupt,
    store: &mut Store,
) -> Result<Measured, Report> {
    let unavailable = unavailable(probed, &session.plan);
    let mut progress = Progress::new(store, &session, earlier.clone());
    let bench_places = BenchPlaces {
        state: machine.state(),
        // Its names on this machine are new ones, also when it goes on.
        session: &machine.session,
        work: &machine.work,
        agent: &machine.agent,
        cache: &machine.cache,
    };
    let ended = Bench::prepare(&session.plan, works, &unavailable, bench_places, interrupt, &mut progress)
        .and_then(|mut bench| bench.run(&earlier, &mut progress));
    let logged = progress.keep_log();
    let mut trials = progress.finish();
    let different = judge_work(&session, &mut trials);
    let left = machine.leave();
    for (resource, why) in &left.failed {
        tracing::error!("could not be removed: {resource}: {why}; 'isotare clean' tries again");
    }
    let kept = ended.as_ref().map_or(Ok(()), |end| {
        let judged = store.judge(&session.id, different.iter().map(|at| &trials[*at]));
        let finished = logged.and(judged).and_then(|()| store.finish(&session.id, *end));
        finished.map_err(|error| store_error(error, ""))
    });
    Ok(Measured { session, trials, ended, kept })
}

/// What is needed to interpret the figures of each workload of a plan. `works` are in the order of its
/// conditions.
fn workloads(plan: &Plan, works: &[Work]) -> BTreeMap<String, WorkloadInfo> {
    let info = |(condition, work): (&Condition, &Work)| {
        (condition.workload.to_string(), work.workload.info(&work.settings))
    };
    plan.conditions.iter().zip(works).map(info).collect()
}

/// Environments that are left out, with the reason. A comparison needs its baseline, so without it nothing
/// runs.
fn unavailable(probed: &[Probed], plan: &Plan) -> BTreeMap<String, String> {
    let reason = |p: &Probed| Some(p.found.as_ref().err()?.to_string());
    let baseline = EnvironmentSpec { replica: None, ..plan.baseline.clone() };
    let without_baseline = probed.iter().find(|p| p.environment == baseline).and_then(reason);
    let why_not = |p: &Probed| {
        let lost =
            without_baseline.as_ref().map(|why| format!("the baseline {baseline} is unavailable: {why}"));
        reason(p).or(lost)
    };
    probed.iter().filter_map(|p| Some((p.environment.to_string(), why_not(p)?))).collect()
}

fn conclude(Measured { session, trials, ended, kept }: Measured, output: &Output) -> Result<Exit, Report> {
    let end = ended.as_ref().ok().copied();
    output::show(&analyse(&session, &trials, end), output)?;
    if let Err(error) = ended {
        return Err(fault(
            error,
            "the results up to this point are shown above; free space, or use --store and --work",
        ));
    }
    kept?;
    let completed = trials.iter().filter(|trial| trial.outcome == Outcome::Completed).count();
    Ok(match () {
        () if end == Some(SessionEnd::Interrupted) => Exit::Interrupted,
        () if completed == 0 => Exit::NothingMeasured,
        () if completed < trials.len() => Exit::Incomplete,
        () => Exit::Done,
    })
}
