//! `isotare selftest`: injects known overheads and checks that they are found, and measures the overhead of
//! sampling.

use crate::choose::{Probed, probe};
use crate::cli::{Form, Selftest};
use crate::execute::{Measured, interrupt, measure};
use crate::exit::{Exit, fault, refuse, store_error};
use crate::machine::{Machine, budget};
use crate::output::say;
use crate::selftest_forms::show;
use isotare_core::{Budget, HostFacts, Interrupt, Session, SessionEnd, Unavailable};
use isotare_plan::{Blocks, Design};
use isotare_report::{Report as Analysis, analyse};
use isotare_runner::Work;
use isotare_selftest::{
    Clocks, Findings, Injection, NotMeasured, OBSERVER, Records, Recovery, SCHEMA_VERSION, Status, Summary,
    TARGET, chosen, observer_costs, observer_design, observer_works,
};
use isotare_store::Store;
use miette::Report;

/// Memory of the instances.
const MEMORY: u64 = 1 << 30;
/// Equivalence margin of the sessions. Their verdicts are not used. The margin is so small that trials are
/// refused if their clock differs by more than 100 ppm.
const MARGIN: f64 = 0.001;

/// A self-test under way.
struct Run<'a> {
    arguments: &'a Selftest,
    /// The settings of all sessions. The seed is that of the next session.
    base: Design,
    store: Store,
    interrupt: Interrupt,
    findings: Findings,
}

/// Injects the overheads, measures the overhead of sampling, and shows the results.
pub fn selftest(arguments: &Selftest) -> Result<Exit, Report> {
    if arguments.format == Form::Html {
        return Err(refuse("a self-test has no HTML report", "use --format text, json, csv or markdown"));
    }
    let (injections, observes) = choice(arguments)?;
    let seed = arguments.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let base = Design {
        blocks: Blocks::exactly(arguments.blocks),
        level: arguments.level,
        margin: MARGIN,
        ..Design::new(budget(arguments.cpus.clone(), MEMORY, Some(Budget::PROCESSES))?, seed)
    };
    // Mistakes in any of them are found before anything runs.
    for injection in &injections {
        isotare_plan::plan(&injection.design(&base))?;
    }
    isotare_plan::plan(&observed(&base, arguments))?;
    let store = match &arguments.places.store {
        Some(path) => Store::open(path),
        None => Store::in_memory(),
    };
    let mut run = Run {
        findings: nothing_yet(&base),
        arguments,
        base,
        store: store.map_err(|error| store_error(error, ""))?,
        interrupt: interrupt()?,
    };
    run.inject(injections)?;
    if observes && !run.interrupt.is_raised() {
        run.observe()?;
    }
    run.findings.summary = Summary::of(&run.findings.injections, arguments.level);
    show(&run.findings, arguments.format)?;
    Ok(exit(&run.findings, &run.interrupt))
}

/// The chosen known overheads, and whether to measure the overhead of sampling.
fn choice(arguments: &Selftest) -> Result<(Vec<Injection>, bool), Report> {
    let (observer, kinds): (Vec<_>, Vec<_>) =
        arguments.kinds.iter().cloned().partition(|kind| kind.driver == OBSERVER);
    let injections = match arguments.kinds.is_empty() || !kinds.is_empty() {
        true => chosen(&kinds)
            .map_err(|error| refuse(error, format!("or {OBSERVER}; correct the option --kind")))?,
        false => Vec::new(),
    };
    Ok((injections, arguments.kinds.is_empty() || !observer.is_empty()))
}

fn observed(base: &Design, arguments: &Selftest) -> Design {
    observer_design(&Design { blocks: Blocks::exactly(arguments.observer_blocks), ..base.clone() })
}

fn nothing_yet(base: &Design) -> Findings {
    Findings {
        schema_version: SCHEMA_VERSION,
        started: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: std::env::args().collect(),
        host: HostFacts::default(),
        cpus: base.budget.cpus.to_string(),
        seed: base.seed,
        injections: Vec::new(),
        not_measured: Vec::new(),
        summary: Summary::of(&[], base.level),
        observer: Vec::new(),
        observer_target: TARGET,
        clocks: Clocks::default(),
        records: Records::default(),
    }
}

fn exit(findings: &Findings, interrupt: &Interrupt) -> Exit {
    let failed = findings.not_measured.iter().any(|lost| lost.status == Status::Failed);
    match () {
        () if interrupt.is_raised() => Exit::Interrupted,
        () if findings.injections.is_empty() && findings.observer.is_empty() => Exit::NothingMeasured,
        () if !findings.summary.passed => Exit::NotRecovered,
        () if failed => Exit::Incomplete,
        () => Exit::Done,
    }
}

impl Run<'_> {
    /// Injects each overhead in turn, as often as the user asked for. An overhead that cannot be injected
    /// here is tried once.
    fn inject(&mut self, mut injections: Vec<Injection>) -> Result<(), Report> {
        for repeat in 1..=self.arguments.repeats {
            let mut available = Vec::new();
            for injection in injections {
                if self.interrupt.is_raised() {
                    return Ok(());
                }
                say(&format!("{} ({repeat} of {})", injection.environment, self.arguments.repeats));
                let machine = Machine::enter(&self.arguments.places)?;
                let probed = self.probe(&injection, &machine)?;
                if let Some(why) = probed.iter().find_map(|probed| probed.found.as_ref().err()) {
                    self.findings.not_measured.push(unavailable(&injection, why));
                    continue;
                }
                let design = injection.design(&self.base);
                let plan = isotare_plan::plan(&design)?;
                let works = injection
                    .works(&plan)
                    .map_err(|error| fault(error, "this is a bug in isotare; please report it"))?;
                let analysis = self.session(machine, &probed, &design, works)?;
                match Recovery::of(&injection, &analysis, repeat) {
                    Ok(recovery) => self.findings.injections.push(recovery),
                    Err(_) if self.interrupt.is_raised() => {}
                    Err(lost) => self.findings.not_measured.push(lost),
                }
                available.push(injection);
            }
            injections = available;
        }
        Ok(())
    }

    /// Native with and without samplers.
    fn observe(&mut self) -> Result<(), Report> {
        say("the overhead of sampling");
        let machine = Machine::enter(&self.arguments.places)?;
        let design = observed(&self.base, self.arguments);
        let plan = isotare_plan::plan(&design)?;
        let works = observer_works(&plan)
            .map_err(|error| fault(error, "this is a bug in isotare; please report it"))?;
        let analysis = self.session(machine, &[], &design, works)?;
        self.findings.observer = observer_costs(&analysis);
        Ok(())
    }

    fn probe(&self, injection: &Injection, machine: &Machine) -> Result<Vec<Probed>, Report> {
        let drivers = injection
            .drivers()
            .map_err(|error| fault(error, "this is a bug in isotare; please report it"))?;
        let budget = injection.design(&self.base).budget;
        let one = |(environment, driver, settings): (&isotare_core::EnvironmentSpec, _, _)| Probed {
            environment: environment.clone(),
            found: probe(driver, &settings, machine, &budget, &self.interrupt),
        };
        Ok(drivers.into_iter().map(one).collect())
    }

    /// Runs one ordinary session and makes its report.
    fn session(
        &mut self,
        machine: Machine,
        probed: &[Probed],
        design: &Design,
        works: Vec<Work>,
    ) -> Result<Analysis, Report> {
        let plan = isotare_plan::plan(design)?;
        let Measured { session, trials, ended, kept } =
            measure((plan, works), machine, probed, &self.interrupt, &mut self.store)?;
        self.base.seed = self.base.seed.wrapping_add(1);
        let ended: SessionEnd =
            ended.map_err(|error| fault(error, "free space, or use --store and --work"))?;
        kept?;
        let analysis = analyse(&session, &trials, Some(ended));
        self.note(&session, &analysis);
        Ok(analysis)
    }

    fn note(&mut self, session: &Session, analysis: &Analysis) {
        if self.findings.started.is_empty() {
            self.findings.started = session.started.clone();
            self.findings.host = session.host.clone();
        }
        self.findings.clocks.add(analysis);
        self.findings.records.add(analysis);
    }
}

fn unavailable(injection: &Injection, why: &Unavailable) -> NotMeasured {
    NotMeasured {
        kind: injection.kind,
        injection: injection.environment.to_string(),
        status: Status::Unavailable,
        reason: why.reason.clone(),
        remedy: why.remedy.clone(),
    }
}
