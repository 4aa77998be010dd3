//! The drivers: one type, with one value for each runtime that describes its differences.

use super::command_line::{CommandLine, UNIFIED};
use super::environment::BundleEnvironment;
use crate::installed::{program, version};
use crate::trial_life;
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, Exclusion, IMAGE_SETTING, Image, Isolation,
    Kind, PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Timeout for the start of a container. A container that works starts in a fraction of it.
const START: Duration = Duration::from_secs(10);

const BINARY: SettingDef = SettingDef {
    key: "binary",
    kind: Kind::Text,
    default: None,
    help: "the runtime's program, a name or a path; default: the program with the driver's name",
};

const NETWORK: SettingDef = SettingDef {
    key: "network",
    kind: Kind::Choice(&["none", "host"]),
    default: Some("none"),
    help: "network of the container: none (a new namespace with only a loopback link) or host (the host's \
           network)",
};

const PLATFORM: SettingDef = SettingDef {
    key: "platform",
    kind: Kind::Choice(&["systrap", "ptrace", "kvm"]),
    default: Some("systrap"),
    help: "how gVisor intercepts system calls",
};

/// A runtime with runc's command line.
#[derive(Debug)]
pub struct Oci {
    name: &'static str,
    summary: &'static str,
    package: &'static str,
    settings: &'static [SettingDef],
    variants: &'static [&'static str],
    isolation: Isolation,
    /// Whether it refuses hosts that mount cgroup version 2 in addition to version 1.
    refuses_hybrid: bool,
    is_gvisor: bool,
}

/// The reference runtime, in Go.
pub static RUNC: Oci = Oci {
    name: "runc",
    summary: "a container of runc, which is called directly",
    package: "Debian: runc",
    settings: &[BINARY, NETWORK, IMAGE_SETTING],
    variants: &[""],
    isolation: Isolation {
        kernel: "the host's",
        system_calls: "those of Docker's default seccomp profile",
        root: "the host's root with Docker's default capabilities",
        sources: &[
            "https://docs.docker.com/engine/security/seccomp/",
            "https://github.com/opencontainers/runtime-spec",
        ],
    },
    refuses_hybrid: false,
    is_gvisor: false,
};

/// The runtime in C.
pub static CRUN: Oci = Oci {
    name: "crun",
    summary: "a container of crun, which is called directly",
    package: "Debian: crun",
    // "cgroups in hybrid mode not supported, drop all controllers from cgroupv1": crun 1.8.1.
    refuses_hybrid: true,
    ..RUNC
};

/// The runtime in Rust.
pub static YOUKI: Oci = Oci {
    name: "youki",
    summary: "a container of youki, which is called directly",
    package: "cargo install youki --features v1",
    ..RUNC
};

/// gVisor's.
pub static RUNSC: Oci = Oci {
    name: "runsc",
    summary: "a gVisor sandbox: a kernel written in Go between the workload and the host's kernel",
    package: "Debian: runsc; systrap needs the version in backports",
    settings: &[PLATFORM, BINARY, NETWORK, IMAGE_SETTING],
    variants: &["platform=systrap", "platform=ptrace", "platform=kvm"],
    isolation: Isolation {
        kernel: "gVisor's own, a process of the host",
        system_calls: "a few, from gVisor's kernel, limited by its own filter; none from the workload",
        root: "root of gVisor's kernel, with Docker's default capabilities there",
        sources: &[
            "https://gvisor.dev/docs/architecture_guide/security/",
            "https://gvisor.dev/docs/architecture_guide/platforms/",
        ],
    },
    refuses_hybrid: false,
    is_gvisor: true,
};

impl Oci {
    fn program(&self, settings: &Settings) -> Result<PathBuf, Unavailable> {
        program(settings.text("binary").unwrap_or(self.name), self.package)
    }

    /// Its options before the command.
    fn options(&self, settings: &Settings) -> Vec<String> {
        match (self.is_gvisor, settings.text("platform"), settings.text("network")) {
            (true, Some(platform), Some(network)) => vec![
                format!("--platform={platform}"),
                format!("--network={network}"),
                // The agent has to reach its socket on the host.
                "--host-uds=open".to_owned(),
            ],
            _ => Vec::new(),
        }
    }

    fn ready(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<BundleEnvironment, DriverError> {
        let (program, options) = (self.program(settings)?, self.options(settings));
        let runtime = |state: &Path| -> Arc<dyn super::Runtime> {
            Arc::new(CommandLine {
                program,
                options,
                state: state.to_owned(),
                hides_unified: self.refuses_hybrid && Path::new(UNIFIED).join("cgroup.procs").exists(),
                is_gvisor: self.is_gvisor,
            })
        };
        BundleEnvironment::prepare(runtime, settings.text("network") != Some("host"), image, cx)
    }
}

impl Driver for Oci {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn settings(&self) -> &'static [SettingDef] {
        self.settings
    }

    fn variants(&self) -> &'static [&'static str] {
        self.variants
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: self.is_gvisor,
            host_files: false,
            rootless: false,
            pause: true,
            segment: if self.is_gvisor { Attaching::Created } else { Attaching::WhenReady },
            ..Capabilities::default()
        }
    }

    /// There is no daemon, and the kernel that gVisor has is a program.
    fn exclusion(&self) -> Exclusion {
        Exclusion::Nothing
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let program = self.program(settings)?;
        let version = version(&program, &["--version"], &cx.deadline)?;
        let environment = self
            .ready(settings, &Image::default(), cx)
            .map_err(|error| error.unavailable("see docs/drivers/oci.md"))?;
        trial_life::live(&environment, START, cx)
            .map_err(|why| Unavailable::new(why, self.remedy(settings)))?;
        let mut details = BTreeMap::from([("program".to_owned(), program.display().to_string())]);
        details
            .extend(settings.text("platform").map(|platform| ("platform".to_owned(), platform.to_owned())));
        Ok(RuntimeInfo { version, details })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(self.ready(settings, image, cx)?))
    }
}

impl Oci {
    fn remedy(&self, settings: &Settings) -> String {
        match settings.text("platform") {
            Some("kvm") => "use a host whose KVM runs gVisor, or platform=systrap".to_owned(),
            Some("systrap") => {
                "install a runsc that supports it (of 2023 or later), or use platform=ptrace".to_owned()
            }
            _ => format!("check that '{} run' works here, and see docs/drivers/oci.md", self.name),
        }
    }
}
