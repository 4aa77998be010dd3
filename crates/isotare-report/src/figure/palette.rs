//! Colours and markers. The colours are those of Okabe and Ito, which people with any colour vision can
//! distinguish. Each colour also has a marker or a label. The page swaps the greys in dark mode.

use plotters::prelude::RGBColor;

/// Text and the baseline.
pub(super) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
/// Secondary text and the null test.
pub(super) const MUTED: RGBColor = RGBColor(0x5B, 0x64, 0x70);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xE1, 0xE6);
/// The margin.
pub(super) const BAND: RGBColor = RGBColor(0xE3, 0xEE, 0xE9);

const COLORS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

const MARKERS: [Marker; 5] = [Marker::Square, Marker::Up, Marker::Diamond, Marker::Down, Marker::Cross];

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Ring,
    Square,
    Diamond,
    Up,
    Down,
    Cross,
}

/// How an environment looks: `at` is its position among those of the report, the baseline being 0.
pub(super) fn look(at: usize, is_null: bool) -> (RGBColor, Marker) {
    match at {
        0 => (INK, Marker::Disc),
        _ if is_null => (MUTED, Marker::Ring),
        // The null test, if there is one, has position 1 and does not use a colour.
        at => (
            COLORS[(at + COLORS.len() - 2) % COLORS.len()],
            MARKERS[(at + MARKERS.len() - 2) % MARKERS.len()],
        ),
    }
}

/// The colour of the `at`-th part of a bar.
pub(super) fn part_color(at: usize) -> RGBColor {
    [COLORS[0], COLORS[4], COLORS[2], COLORS[3], COLORS[5], COLORS[1], MUTED, INK][at % 8]
}
