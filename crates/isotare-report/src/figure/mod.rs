//! Figures as SVG. The page also has a table for each figure, so that no information is only in a figure.

mod axis;
mod canvas;
mod cpu;
mod drift;
mod forest;
mod life;
mod palette;
mod stacked;

pub(crate) use axis::Axis;
pub(crate) use canvas::shortened;
pub(crate) use cpu::cpu_by_role;
pub(crate) use drift::drift;
pub(crate) use forest::forest;
pub(crate) use life::life;

/// A drawn figure.
pub(crate) struct Figure {
    /// The `svg` element.
    pub svg: String,
    /// What it shows and how to read it.
    pub caption: String,
}
