//! Drawing in pixels: the few shapes that the figures need, on plotters' SVG backend.
//!
//! Text is placed by anchors and never measured, so no font library is needed and the page's own font is
//! used.

use super::palette::{INK, Marker};
use crate::RenderError;
use crate::words::one_line;
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle};

/// plotters divides font sizes by this on their way to SVG.
const FONT_SCALE: f64 = 1.24;

/// A point, px from the upper left corner.
pub(super) type Point = (f64, f64);

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Look of a text.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub anchor: Anchor,
    pub size: f64,
    pub bold: bool,
    pub color: RGBColor,
}

impl Type {
    pub const fn new(anchor: Anchor) -> Self {
        Self { anchor, size: 13.0, bold: false, color: INK }
    }

    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub const fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub const fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }
}

/// The result of a drawing step.
pub(super) type Drawn = Result<(), RenderError>;

/// A sheet to draw on.
pub(super) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// Draws a figure of this size. `id` is unique on the page. Title and description are for people who cannot
/// see the figure.
pub(super) fn sheet(
    (width, height): (u32, u32),
    (id, title, description): (&str, &str, &str),
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String, RenderError> {
    let mut svg = String::new();
    {
        let canvas = Canvas(SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area());
        draw(&canvas)?;
        canvas.0.present().map_err(failed)?;
    }
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let (title, description) = (escape(title), escape(description));
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{description}</desc>{body}"
    ))
}

fn escape(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> RenderError {
    RenderError::Figure(error.into())
}

#[expect(clippy::cast_possible_truncation, reason = "pixels, limited to what fits")]
fn pixel((x, y): Point) -> (i32, i32) {
    let whole = |v: f64| v.clamp(-1e6, 1e6).round() as i32;
    (whole(x), whole(y))
}

impl Canvas<'_> {
    /// A straight line.
    pub fn line(&self, from: Point, to: Point, color: RGBColor, width: u32) -> Drawn {
        self.path(&[from, to], color, width)
    }

    /// A line through points.
    pub fn path(&self, points: &[Point], color: RGBColor, width: u32) -> Drawn {
        let style = ShapeStyle::from(&color).stroke_width(width);
        let points: Vec<_> = points.iter().copied().map(pixel).collect();
        self.0.draw(&PathElement::new(points, style)).map_err(failed)
    }

    /// A filled rectangle.
    pub fn bar(&self, from: Point, to: Point, color: RGBColor) -> Drawn {
        self.0.draw(&Rectangle::new([pixel(from), pixel(to)], color.filled())).map_err(failed)
    }

    /// A filled polygon.
    pub fn polygon(&self, points: &[Point], color: RGBColor) -> Drawn {
        let points: Vec<_> = points.iter().copied().map(pixel).collect();
        self.0.draw(&Polygon::new(points, color.filled())).map_err(failed)
    }

    /// A marker of radius `r`.
    pub fn marker(&self, (x, y): Point, r: f64, marker: Marker, color: RGBColor) -> Drawn {
        match marker {
            Marker::Disc => self.circle((x, y), r, color.filled()),
            Marker::Ring => self.circle((x, y), r, color.stroke_width(2)),
            Marker::Square => self.bar((x - r, y - r), (x + r, y + r), color),
            Marker::Diamond => {
                let d = r * 1.35;
                self.polygon(&[(x - d, y), (x, y - d), (x + d, y), (x, y + d)], color)
            }
            Marker::Up => {
                self.polygon(&[(x - r * 1.2, y + r), (x, y - r * 1.3), (x + r * 1.2, y + r)], color)
            }
            Marker::Down => {
                self.polygon(&[(x - r * 1.2, y - r), (x, y + r * 1.3), (x + r * 1.2, y - r)], color)
            }
            Marker::Cross => {
                self.line((x - r, y - r), (x + r, y + r), color, 2)?;
                self.line((x - r, y + r), (x + r, y - r), color, 2)
            }
        }
    }

    fn circle(&self, at: Point, r: f64, style: ShapeStyle) -> Drawn {
        self.0.draw(&Circle::new(pixel(at), r, style)).map_err(failed)
    }

    /// One line of text, vertically centred on its point.
    pub fn text(&self, text: &str, at: Point, kind: Type) -> Drawn {
        let horizontal = match kind.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if kind.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = ("sans-serif", kind.size * FONT_SCALE).into_font().style(style);
        let style = font.color(&kind.color).pos(Pos::new(horizontal, VPos::Center));
        self.0.draw(&Text::new(one_line(text), pixel(at), style)).map_err(failed)
    }
}

/// Longest name of an environment beside a plot, characters.
const LONGEST_NAME: usize = 30;

/// A name that fits beside a plot. Names that begin alike are told apart by their ends, so that its middle is left out.
pub(super) fn beside_plot(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let (head, tail) = (LONGEST_NAME / 2 - 3, LONGEST_NAME / 2 + 2);
    letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}

/// A text no longer than `limit` characters.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.chars().count() > limit {
        true => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_different() {
        assert_eq!(beside_plot("qemu:accel=tcg,machine=microvm"), "qemu:accel=tcg,machine=microvm");
        let disk = |cache: &str| beside_plot(&format!("qemu:accel=tcg,disk=qcow2,cache={cache}"));
        assert_eq!(disk("writeback"), "qemu:accel=t…2,cache=writeback");
        assert_ne!(disk("writeback"), disk("none"));
        assert_eq!(disk("none").chars().count(), LONGEST_NAME);
    }
}
