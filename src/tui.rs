//! HOW IT LOOKS: the terminal, the input, the keys and one view a region.
//!
//! It reads the gate and the account and changes neither: a key becomes a [`crate::gate::Event`],
//! which the machine takes or refuses. Nothing here asks a server or reads a clock, and nothing waits
//! but a terminal for its own writer and an editor for its person, so a view is a function of what is known, and a test draws it
//! without a terminal.

pub mod editor;
pub mod field;
pub mod input;
pub mod keymap;
pub mod screen;
pub mod terminal;
pub mod theme;

pub(crate) mod pager;
pub(crate) mod paint;
pub(crate) mod reader;
pub(crate) mod scroll;
pub(crate) mod showing;
mod sql;
pub(crate) mod text;
pub(crate) mod view;

pub use screen::Screen;
pub use theme::{Appearance, Glyphs, Palette, Theme};
