//! SQL text in colours: tokens from the runbook's highlighter as styles of the theme.
//!
//! It never changes the text, only how it is drawn.

use super::theme::Appearance;
use crate::runbook::highlight::Highlight;
use ratatui::style::Style;

pub(crate) fn style(look: Appearance, token: Highlight) -> Style {
    match token {
        Highlight::Keyword => look.sql_keyword(),
        Highlight::String => look.sql_string(),
        Highlight::Number => look.sql_number(),
        Highlight::Comment => look.sql_comment(),
        Highlight::Meta => look.sql_meta(),
        Highlight::Name | Highlight::Operator => Style::new(),
    }
}
