//! A root file system as the user names it. Whether it exists is checked later, when it is resolved.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where an image's base comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageReference {
    /// The host's own userland if the workload may need it and the driver can show it, otherwise
    /// [`ImageReference::Agent`].
    Auto,
    /// Only the files that Isotare gives to an instance.
    Agent,
    /// The host's own userland.
    Host,
    /// A folder.
    Dir(PathBuf),
    /// A tar archive, packed by gzip or zstd or not at all.
    Tar(PathBuf),
    /// An OCI image layout, a folder or a tar archive of one.
    Oci {
        /// Where.
        path: PathBuf,
        /// Tag or digest of the image; `None`: the only one.
        reference: Option<String>,
    },
    /// An archive that `docker save` wrote.
    Docker {
        /// Where.
        path: PathBuf,
        /// Name and tag of the image; `None`: the only one.
        name: Option<String>,
    },
    /// A minimal Debian system with these packages, sorted.
    Debian(Vec<String>),
}

/// A text that is not a valid image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("image '{text}': {why}; possible images: {}", ImageReference::FORMS)]
pub struct ReferenceError {
    text: String,
    why: String,
}

impl ImageReference {
    /// The possible texts.
    pub const FORMS: &str =
        "auto, agent, host, dir:PATH, tar:PATH, oci:PATH[@REF], docker:PATH[@NAME], debian[:PACKAGE+PACKAGE]";
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |why: String| ReferenceError { text: text.to_owned(), why };
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        let path = |path: &str| match path {
            "" => Err(error(format!("{kind}: a path is missing"))),
            path => Ok(PathBuf::from(path)),
        };
        let place = || path(rest.unwrap_or_default());
        // The reference begins after the last '@'. In an OCI layout, where tags are usual, it also begins
        // after a ':' in the last name.
        let split = |text: &str| match text.rsplit_once('@') {
            Some((_, "")) => Err(error("the name after the @ is missing".to_owned())),
            Some((before, after)) => Ok((path(before)?, Some(after.to_owned()))),
            None => Ok((path(text)?, None)),
        };
        match (kind, rest) {
            ("auto", None) => Ok(Self::Auto),
            ("agent", None) => Ok(Self::Agent),
            ("host", None) => Ok(Self::Host),
            ("dir", _) => place().map(Self::Dir),
            ("tar", _) => place().map(Self::Tar),
            ("oci", _) => match split(rest.unwrap_or_default())? {
                (path, None) => Ok(tagged(path)),
                (path, reference) => Ok(Self::Oci { path, reference }),
            },
            ("docker", _) => split(rest.unwrap_or_default()).map(|(path, name)| Self::Docker { path, name }),
            ("debian", None) => Ok(Self::Debian(Vec::new())),
            ("debian", Some(packages)) => {
                let mut packages: Vec<String> = packages.split('+').map(str::to_owned).collect();
                if let Some(bad) = packages.iter().find(|name| !is_package(name)) {
                    return Err(error(format!("'{bad}' is not a valid name of a Debian package")));
                }
                packages.sort_unstable();
                packages.dedup();
                Ok(Self::Debian(packages))
            }
            (_, Some(_)) if ["auto", "agent", "host"].contains(&kind) => {
                Err(error(format!("nothing may follow {kind}")))
            }
            _ => Err(error(format!("the kind '{kind}' is not known"))),
        }
    }
}

/// `PATH:TAG`, where the last name of the path has a colon.
fn tagged(path: PathBuf) -> ImageReference {
    let text = path.to_str().unwrap_or_default();
    match text.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') && !tag.is_empty() && !before.is_empty() => {
            ImageReference::Oci { path: before.into(), reference: Some(tag.to_owned()) }
        }
        _ => ImageReference::Oci { path, reference: None },
    }
}

/// Package names without `+`, which separates them here: deb-control(5).
fn is_package(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, kind, path: &PathBuf, reference: &Option<String>| {
            write!(f, "{kind}:{}", path.display())?;
            reference.iter().try_for_each(|reference| write!(f, "@{reference}"))
        };
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Agent => f.write_str("agent"),
            Self::Host => f.write_str("host"),
            Self::Dir(path) => with(f, "dir", path, &None),
            Self::Tar(path) => with(f, "tar", path, &None),
            Self::Oci { path, reference } => with(f, "oci", path, reference),
            Self::Docker { path, name } => with(f, "docker", path, name),
            Self::Debian(packages) if packages.is_empty() => f.write_str("debian"),
            Self::Debian(packages) => write!(f, "debian:{}", packages.join("+")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> ImageReference {
        text.parse().expect(text)
    }

    #[test]
    fn each_kind_is_read_and_written() {
        for text in [
            "agent",
            "host",
            "dir:/srv/tree",
            "tar:a.tar.gz",
            "oci:/srv/layout",
            "oci:/srv/layout@sha256:00ff",
            "docker:/srv/a.tar@library/busybox:1.36",
            "debian",
            "debian:bash+sysbench",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("oci:a/b:latest"), read("oci:a/b@latest"));
        assert_eq!(read("oci:a:b/c"), ImageReference::Oci { path: "a:b/c".into(), reference: None });
        assert_eq!(read("debian:sysbench+bash+bash"), read("debian:bash+sysbench"));
    }

    #[test]
    fn an_invalid_image_is_refused_with_a_remedy() {
        for (text, why) in [
            ("ubuntu", "the kind 'ubuntu' is not known"),
            ("dir:", "a path is missing"),
            ("tar", "a path is missing"),
            ("oci:@x", "a path is missing"),
            ("docker:a.tar@", "the name after the @ is missing"),
            ("host:/", "nothing may follow"),
            ("debian:", "'' is not a valid name"),
            ("debian:--help", "'--help' is not a valid name"),
            ("debian:a b", "'a b' is not a valid name"),
        ] {
            let error = text.parse::<ImageReference>().expect_err(text).to_string();
            assert!(error.contains(why) && error.contains("debian[:PACKAGE"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_reference_is_read_back_from_its_text(text in "(dir|tar|oci|docker|debian|agent|host|x)?:?[a-z0-9:@+/. -]{0,16}") {
            if let Ok(reference) = text.parse::<ImageReference>() {
                prop_assert_eq!(reference.to_string().parse::<ImageReference>(), Ok(reference));
            }
        }
    }
}
