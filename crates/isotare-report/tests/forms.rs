//! Tests of the complete text and Markdown of an invented session.

mod fixture;

use fixture::Fixture;
use isotare_core::SessionEnd;
use isotare_report::{Format, Glyphs, Options, analyse, render};

fn form(format: Format) -> String {
    shown(format, Options::default())
}

fn shown(format: Format, options: Options) -> String {
    let fixture = Fixture { workloads: vec!["cpu"], ..Fixture::default() };
    let (session, trials) = fixture.build();
    let report = analyse(&session, &trials, Some(SessionEnd::Complete));
    render(&report, format, &options).expect("rendered")
}

#[test]
fn words_stay_whole_in_a_narrow_terminal() {
    let wide: Vec<String> = form(Format::Text).split_whitespace().map(str::to_owned).collect();
    for width in [40, 80, 120] {
        let text = shown(Format::Text, Options { width, plot: Some(Glyphs::Unicode), ..Options::default() });
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(wide.iter().all(|word| words.contains(&word.as_str())), "{width}:\n{text}");
        let notes = text.split_once('¹').map(|(_, notes)| &notes[notes.find("\n¹").unwrap_or(0)..]);
        let lines = notes.into_iter().flat_map(str::lines);
        assert!(lines.clone().count() > 10, "{text}");
        // Lines that cannot be wrapped, such as the command, may be longer.
        let is_long = |line: &&str| line.chars().count() > width.into() && line.trim().contains(' ');
        assert_eq!(lines.filter(is_long).collect::<Vec<_>>(), [""; 0], "{width}");
        let is_table = |line: &str| line.starts_with("  ") && line.contains('×') && !line.starts_with("  [");
        assert!(
            width < 80
                || text
                    .lines()
                    .filter(|line| is_table(line))
                    .all(|line| line.chars().count() <= width.into())
        );
        assert_eq!(text.contains('●'), width == 120, "drawn where there is room");
    }
}

#[test]
fn a_terminal_sees_the_intervals_and_colours_only_in_verdicts() {
    let drawn =
        shown(Format::Text, Options { width: 120, plot: Some(Glyphs::Unicode), ..Options::default() });
    insta::assert_snapshot!(drawn.lines().take(9).collect::<Vec<_>>().join("\n"), @r"
cpu · events per second (higher is better)
  environment        value  cost [95 %]            verdict                  blocks  ×1       ×2          ×5       ×10
  native           1029 /s  ×1                     baseline                     20   │
  native#null      1030 /s  ×1.000 [0.997, 1.002]  equivalent within 1 %        20   ●
  container        1031 /s  ×1.002 [0.999, 1.005]  equivalent within 1 %        20   │●
  docker           1025 /s  ×1.004 [1.001, 1.007]  equivalent within 1 % ¹      16   │●
  qemu:accel=tcg  83.67 /s  ×12.31 [12.28, 12.33]  12 times slower ² ³ ⁴        20   │                                ●
  qemu:accel=kvm         –  –                      unavailable ⁵                 0
");
    let ascii = shown(Format::Text, Options { width: 120, plot: Some(Glyphs::Ascii), ..Options::default() });
    assert!(ascii.contains('|') && !ascii.contains(['●', '│', '─', '░']), "{ascii}");
    let coloured = shown(Format::Text, Options { width: 120, color: true, plot: Some(Glyphs::Unicode) });
    let of_verdicts = ["baseline", "equivalent", "slower", "faster", "inconclusive", "unavailable"];
    for part in coloured.split("\u{1b}[38;5;").skip(1) {
        let text = part.split('\u{1b}').next().unwrap_or_default();
        assert!(of_verdicts.iter().any(|word| text.contains(word)), "{text}");
    }
    let plain = strip(&coloured);
    assert_eq!(plain, drawn, "colours change nothing else");
    assert!(!drawn.contains('\u{1b}'));
}

/// The text without the escapes for colours.
fn strip(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let lines = parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest));
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn text() {
    insta::assert_snapshot!(form(Format::Text), @r#"
cpu · events per second (higher is better)
  environment        value  cost [95 %]            verdict                  blocks
  native           1029 /s  ×1                     baseline                     20
  native#null      1030 /s  ×1.000 [0.997, 1.002]  equivalent within 1 %        20
  container        1031 /s  ×1.002 [0.999, 1.005]  equivalent within 1 %        20
  docker           1025 /s  ×1.004 [1.001, 1.007]  equivalent within 1 % ¹      16
  qemu:accel=tcg  83.67 /s  ×12.31 [12.28, 12.33]  12 times slower ² ³ ⁴        20
  qemu:accel=kvm         –  –                      unavailable ⁵                 0

lifecycle · startup (lower is better)
  environment        value  cost [95 %]            verdict                  blocks
  native          4.101 ms  ×1                     baseline                     20
  native#null     4.098 ms  ×1.000 [0.999, 1.001]  equivalent within 1 %        20
  container       14.51 ms  ×3.54 [3.53, 3.54]     3.5 times slower             20
  docker          412.5 ms  ×100.5 [100.3, 100.8]  101 times slower             16
  qemu:accel=tcg   2309 ms  ×563.3 [562.4, 564.1]  563 times slower ²           20
  qemu:accel=kvm         –  –                      unavailable ⁵                 0

¹ 4 of 20 trials did not complete and are not in the estimate
² software emulation: the result shows that the environment works, but not how fast virtual machines
  are
³ the clock inside the instance ran up to 0.30 % fast, compared with the host's (20 of 20 trials);
  the times that it measured are wrong by the same amount
⁴ its clock uses another source, so reading the clock has a different cost (hpet, baseline tsc)
⁵ qemu:accel=kvm: unavailable: /dev/kvm opens, but a guest did not boot within 20 s; check dmesg for
  KVM, or use accel=tcg

cost: typical ratio to native within blocks; above 1 is worse; margin 1 %, intervals pointwise.
null test passed: native against itself differs by at most 0.04 %, and every interval (rows: 2) is
  within the margin of 1 %; not judged: cgroup memory, cpu system, cpu user.
not completed: docker: 4 failed
session 20260314-091500-k3f9, 20 blocks, seed 42
page with figures: isotare report 20260314-091500-k3f9 --format html --out report.html
"#);
}

#[test]
fn a_command_is_shown_as_a_shell_takes_it_and_given_to_programs_as_a_list() {
    const ARGV: &str = r#"["head","-c","12M","/a b"]"#;
    let (mut session, trials) = Fixture { workloads: vec!["command"], ..Fixture::default() }.build();
    for condition in &mut session.plan.conditions {
        condition.workload.given = vec![("argv".to_owned(), ARGV.to_owned())];
    }
    let report = analyse(&session, &trials, Some(SessionEnd::Complete));
    let form = |format| render(&report, format, &Options::default()).expect("rendered");
    for format in [Format::Text, Format::Markdown, Format::Html] {
        let text = form(format);
        assert!(text.contains("command -- head -c 12M '/a b'") && !text.contains("argv"), "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&form(Format::Json)).expect("JSON");
    assert_eq!(json["results"][0]["parameters"]["argv"], ARGV);
    assert!(form(Format::Csv).contains(r#"argv=[""head"",""-c"",""12M"",""/a b""]"#));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(form(Format::Markdown), @r#"
# Overhead against native

- **cpu**: container and docker cost the same as native within 1 %; qemu:accel=tcg is 12 times slower (×[12.28, 12.33]); qemu:accel=kvm could not be measured.
- **lifecycle**: container is 3.5 times slower (×[3.53, 3.54]); docker is 101 times slower (×[100.3, 100.8]); qemu:accel=tcg is 563 times slower (×[562.4, 564.1]); qemu:accel=kvm could not be measured.

## cpu: events per second (higher is better)

| environment | value | cost [95 %] | verdict | blocks | notes |
|:--|--:|:--|:--|--:|:--|
| native | 1029 /s | ×1 | baseline | 20 | |
| native#null | 1030 /s | ×1.000 [0.997, 1.002] | equivalent within 1 % | 20 |  |
| container | 1031 /s | ×1.002 [0.999, 1.005] | equivalent within 1 % | 20 |  |
| docker | 1025 /s | ×1.004 [1.001, 1.007] | equivalent within 1 % | 16 | (1) |
| qemu:accel=tcg | 83.67 /s | ×12.31 [12.28, 12.33] | 12 times slower | 20 | (2) (3) (4) |
| qemu:accel=kvm | – | – | unavailable | 0 | (5) |

## lifecycle: startup (lower is better)

| environment | value | cost [95 %] | verdict | blocks | notes |
|:--|--:|:--|:--|--:|:--|
| native | 4.101 ms | ×1 | baseline | 20 | |
| native#null | 4.098 ms | ×1.000 [0.999, 1.001] | equivalent within 1 % | 20 |  |
| container | 14.51 ms | ×3.54 [3.53, 3.54] | 3.5 times slower | 20 |  |
| docker | 412.5 ms | ×100.5 [100.3, 100.8] | 101 times slower | 16 |  |
| qemu:accel=tcg | 2309 ms | ×563.3 [562.4, 564.1] | 563 times slower | 20 | (2) |
| qemu:accel=kvm | – | – | unavailable | 0 | (5) |

Notes:

1. 4 of 20 trials did not complete and are not in the estimate
2. software emulation: the result shows that the environment works, but not how fast virtual machines are
3. the clock inside the instance ran up to 0.30 % fast, compared with the host's (20 of 20 trials); the times that it measured are wrong by the same amount
4. its clock uses another source, so reading the clock has a different cost (hpet, baseline tsc)
5. qemu:accel=kvm: unavailable: /dev/kvm opens, but a guest did not boot within 20 s; check dmesg for KVM, or use accel=tcg

Null test passed: native against itself differs by at most 0.04 %, and every interval (rows: 2) is within the margin of 1 %; not judged: cgroup memory, cpu system, cpu user.

Not completed:

- docker: 4 failed

Session 20260314-091500-k3f9, 20 blocks, seed 42, 2026-03-14T09:15:00Z, isotare 0.1.0, CPUs 0-1, memory 1 GiB, 1024 processes, margin 1 %.
Repeat with:

    isotare compare --seed 42
"#);
}
