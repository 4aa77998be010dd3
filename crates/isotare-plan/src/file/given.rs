//! Environments and workloads as a file gives them, and the check of their names and settings.

use super::Known;
use super::document::{Located, in_order, shown, wrong_type};
use super::error::Problems;
use super::values::as_text;
use crate::suggest;
use isotare_core::{EnvironmentSpec, Kind, SettingDef, Settings};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// The key of the program of a `[[workload]]` that is a command.
const COMMAND: &str = "command";

/// A name with settings, each with its place.
#[derive(Debug)]
pub(crate) struct Given {
    pub(super) name: String,
    name_span: Range<usize>,
    pub(super) replica: Option<String>,
    pub(super) settings: Vec<GivenSetting>,
    /// Whether it is one text, `name:key=value,…`, so that places are looked up inside it.
    compact: bool,
}

/// One setting with its values: several if the file has a list.
#[derive(Debug)]
pub(super) struct GivenSetting {
    pub(super) key: String,
    key_span: Range<usize>,
    pub(super) values: Vec<GivenValue>,
    /// The reader sets it itself, so it is not checked against the known settings.
    checked: bool,
}

/// One value of a setting.
#[derive(Debug)]
pub(super) struct GivenValue {
    pub(super) text: String,
    /// Whether it was in quotes.
    quoted: bool,
    span: Range<usize>,
}

/// The key that names the driver of an environment or the workload.
pub(crate) fn given_key(sort: Sort) -> &'static str {
    match sort {
        Sort::Driver => "driver",
        Sort::Workload => "name",
    }
}

type Toml<'i> = Spanned<DeValue<'i>>;

impl Given {
    /// Reads an environment; `None` if there were errors, which are reported.
    pub(super) fn environment(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Self::compact(text, value.span(), problems),
            DeValue::Table(_) => Self::table(value, Sort::Driver, problems),
            _ => {
                let help = "write it as \"qemu:accel=tcg\" or as {driver = \"qemu\", accel = \"tcg\"}";
                wrong_type(value, key, "an environment", help, problems);
                None
            }
        }
    }

    /// Reads a workload; `None` if there were errors, which are reported.
    pub(super) fn workload(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(_) => Self::table(value, Sort::Workload, problems),
            _ => {
                let help = "write [[workload]] on a line of its own and name = \"cpu\" below";
                wrong_type(value, key, "a table", help, problems);
                None
            }
        }
    }

    fn compact(text: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Self> {
        let spec: EnvironmentSpec = match text.parse() {
            Ok(spec) => spec,
            Err(error) => {
                let help = "write driver:key=value,key=value, such as \"qemu:accel=tcg\"";
                let label = "this has to be an environment".to_owned();
                problems.add(span, format!("{error}"), label, help.to_owned());
                return None;
            }
        };
        let settings = spec.given.into_iter().map(|(key, text)| {
            let values = vec![GivenValue { text, quoted: false, span: span.clone() }];
            GivenSetting { key, key_span: span.clone(), values, checked: false }
        });
        let settings = settings.collect();
        Some(Self { name: spec.driver, name_span: span, replica: spec.replica, settings, compact: true })
    }

    fn table(value: &Toml<'_>, sort: Sort, problems: &mut Problems<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else { return None };
        let name_key = given_key(sort);
        let before = problems.count();
        let mut name = None;
        let mut settings = Vec::new();
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                key if key == name_key => match value.get_ref() {
                    DeValue::String(text) => name = Some(Located::new(text.to_string(), value.span())),
                    _ => wrong_type(value, key, "a text", "put it in \"quotes\"", problems),
                },
                COMMAND if sort == Sort::Workload => {
                    settings.extend(command(value, key.span(), problems));
                }
                _ => settings.extend(setting(key.get_ref(), key.span(), value, sort, problems)),
            }
        }
        let programs = settings.iter().filter(|setting| setting.checked).count();
        let name = match (name, programs) {
            (Some(name), 0) => name,
            (None, 0) if problems.count() > before => return None,
            (None, 0) => {
                let (message, help) = match sort {
                    Sort::Driver => ("this environment has no `driver`", "add driver = \"container\""),
                    Sort::Workload => (
                        "this workload has neither `name` nor `command`",
                        "add name = \"cpu\", or command = [\"program\", \"argument\"]",
                    ),
                };
                problems.add(value.span(), message.to_owned(), "here".to_owned(), help.to_owned());
                return None;
            }
            (None, _) => Located::new(COMMAND.to_owned(), value.span()),
            (Some(name), _) => {
                let help = "remove one of them; a command does not need a name".to_owned();
                let message = "`name` and `command` cannot be used together".to_owned();
                problems.add(name.span(), message, "this is both".to_owned(), help);
                return None;
            }
        };
        let name_span = name.span();
        Some(Self { name: name.value, name_span, replica: None, settings, compact: false })
    }

    /// Every combination of one value per setting; `None` if there are more than `limit`.
    pub(super) fn combinations(&self, limit: usize) -> Option<Vec<Vec<(String, String)>>> {
        let mut all = vec![Vec::new()];
        for setting in &self.settings {
            if all.len().saturating_mul(setting.values.len()) > limit {
                return None;
            }
            let longer = |pairs: &Vec<(String, String)>, value: &GivenValue| {
                let mut pairs = pairs.clone();
                pairs.push((setting.key.clone(), value.text.clone()));
                pairs
            };
            all = all
                .iter()
                .flat_map(|pairs| setting.values.iter().map(|value| longer(pairs, value)))
                .collect();
        }
        Some(all)
    }
}

fn setting(
    key: &str,
    key_span: Range<usize>,
    value: &Toml<'_>,
    sort: Sort,
    problems: &mut Problems<'_>,
) -> Option<GivenSetting> {
    let items: Vec<&Toml<'_>> = match value.get_ref() {
        DeValue::Array(items) if sort == Sort::Workload && !items.is_empty() => items.iter().collect(),
        DeValue::Array(items) if sort == Sort::Workload => {
            debug_assert!(items.is_empty());
            wrong_type(
                value,
                key,
                "a value, or a list of values",
                "add a value, or remove the line",
                problems,
            );
            return None;
        }
        _ => vec![value],
    };
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        match as_text(item.get_ref()) {
            Some(text) if !text.is_empty() => {
                let quoted = matches!(item.get_ref(), DeValue::String(_));
                values.push(GivenValue { text, quoted, span: item.span() });
            }
            Some(_) => wrong_type(item, key, "something", "add a value, or remove the line", problems),
            None => {
                let help = match sort {
                    Sort::Driver => {
                        "give one value; to use several values, list the environment once for each of them"
                    }
                    Sort::Workload => "write a number, a text, true or false, or a list of these",
                };
                wrong_type(item, key, "a single value", help, problems);
            }
        }
    }
    (!values.is_empty()).then(|| GivenSetting { key: key.to_owned(), key_span, values, checked: false })
}

/// `command = ["program", "argument"]` as the setting `argv`: the list as JSON.
fn command(value: &Toml<'_>, key_span: Range<usize>, problems: &mut Problems<'_>) -> Option<GivenSetting> {
    const HELP: &str =
        "write program and arguments as a list of texts: command = [\"gzip\", \"-k\", \"file\"]";
    let DeValue::Array(items) = value.get_ref() else {
        wrong_type(value, COMMAND, "a list of texts", HELP, problems);
        return None;
    };
    let mut argv = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.get_ref() {
            DeValue::String(text) if text.contains('\0') || (index == 0 && text.is_empty()) => {
                wrong_type(item, COMMAND, "a program's name or an argument", HELP, problems);
                return None;
            }
            DeValue::String(text) => argv.push(text.to_string()),
            other => {
                let message = format!("`command` cannot contain {}", shown(other));
                problems.add(item.span(), message, "this has to be a text".to_owned(), HELP.to_owned());
                return None;
            }
        }
    }
    if argv.is_empty() {
        wrong_type(value, COMMAND, "a program with its arguments", HELP, problems);
        return None;
    }
    let given = super::command(&argv).given;
    let (key, text) = given.into_iter().next()?;
    let values = vec![GivenValue { text, quoted: true, span: value.span() }];
    Some(GivenSetting { key, key_span, values, checked: true })
}

/// The kind of thing that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The driver of an environment.
    Driver,
    /// A workload.
    Workload,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Sort::Driver => "driver",
            Sort::Workload => "workload",
        }
    }
}

/// The known drivers or workloads.
pub(super) struct Names<'a> {
    sort: Sort,
    known: &'a [Known<'a>],
}

impl<'a> Names<'a> {
    pub(super) fn new(sort: Sort, known: &'a [Known<'a>]) -> Self {
        Self { sort, known }
    }

    /// The settings of a name. A command has no settings if no workload has its name.
    pub(super) fn defs(&self, name: &str) -> Option<&'a [SettingDef]> {
        let found = self.known.iter().find(|known| known.name == name).map(|known| known.settings);
        found.or((self.sort == Sort::Workload && name == COMMAND).then_some(&[]))
    }

    /// Checks name, keys and values. The result contains the first value of each list. `None` if there were
    /// errors, which are reported.
    pub(super) fn check(&self, given: &Given, text: &str, problems: &mut Problems<'_>) -> Option<Settings> {
        let Some(defs) = self.defs(&given.name) else {
            let span = given.place(text, &given.name_span, &given.name);
            let message = format!("unknown {} '{}'", self.sort.word(), given.name);
            let help = suggest::remedy(&given.name, self.known.iter().map(|known| known.name));
            problems.add(span, message, "not known".to_owned(), help);
            return None;
        };
        let before = problems.count();
        let owner = format!("{} {}", self.sort.word(), given.name);
        let mut seen: Vec<&str> = Vec::new();
        for setting in &given.settings {
            let key = setting.key.as_str();
            if seen.contains(&key) {
                let message = format!("setting '{key}' of {owner} is given twice");
                let span = given.place(text, &setting.key_span, key);
                problems.add(span, message, "again".to_owned(), "remove one of the two".to_owned());
            }
            seen.push(key);
            if setting.checked {
                continue;
            }
            match defs.iter().find(|def| def.key == key) {
                Some(def) => setting
                    .values
                    .iter()
                    .for_each(|value| check_value(def, value, given, text, &owner, problems)),
                None => {
                    let message = format!("unknown setting '{key}' of {owner}");
                    let span = given.place(text, &setting.key_span, key);
                    let known = defs.iter().map(|def| def.key);
                    problems.add(span, message, "not known".to_owned(), suggest::remedy(key, known));
                }
            }
        }
        if problems.count() > before {
            return None;
        }
        let first = given
            .settings
            .iter()
            .filter_map(|setting| Some((setting.key.clone(), setting.values.first()?.text.clone())));
        Some(self.settings(&given.name, &first.collect::<Vec<_>>()))
    }

    /// The settings of checked pairs, with the defaults, to compare with others.
    pub(super) fn settings(&self, name: &str, pairs: &[(String, String)]) -> Settings {
        let argv = SettingDef { key: "argv", kind: Kind::Text, default: None, help: "" };
        let mut defs: Vec<SettingDef> = self.defs(name).unwrap_or_default().to_vec();
        if !defs.iter().any(|def| def.key == argv.key) {
            defs.push(argv);
        }
        let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Settings::check(name, &defs, pairs).unwrap_or_default()
    }
}

fn check_value(
    def: &SettingDef,
    value: &GivenValue,
    given: &Given,
    text: &str,
    owner: &str,
    problems: &mut Problems<'_>,
) {
    let bare = matches!(def.kind, Kind::Integer { .. } | Kind::Number | Kind::Flag);
    let valid = def.kind.parse(&value.text).is_some();
    if valid && !(bare && value.quoted) {
        return;
    }
    let help = match (valid, &def.kind) {
        (true, _) => format!("write it without quotes: {} = {}", def.key, value.text),
        (false, Kind::Choice(words)) => suggest::remedy(&value.text, words.iter().copied()),
        (false, kind) => match def.default {
            Some(default) => format!("write {kind}; the default is {default}"),
            None => format!("write {kind}"),
        },
    };
    let message = format!("setting '{}' of {owner} cannot be '{}'", def.key, value.text);
    let span = given.place(text, &value.span, &value.text);
    problems.add(span, message, format!("this has to be {}", def.kind), help);
}

impl Given {
    /// The position of a part. In the compact form it is searched after one of the separators. If it cannot
    /// be found because of escapes, the whole text is marked.
    fn place(&self, text: &str, span: &Range<usize>, part: &str) -> Range<usize> {
        let whole = text.get(span.clone()).filter(|_| self.compact).unwrap_or_default();
        let found = whole.match_indices(part).map(|(at, _)| at).find(|&at| {
            let before = whole[..at].chars().next_back();
            let after = whole[at + part.len()..].chars().next();
            before.is_some_and(|c| "\"':,=".contains(c)) && after.is_none_or(|c| "\"':,=#".contains(c))
        });
        found.map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
    }
}
