//! SQL text in colours: tokens from the runbook's highlighter as styles of the theme.
//!
//! It never changes the text, only how it is drawn.

use super::theme::Appearance;
use crate::runbook::highlight::Token;
use ratatui::style::Style;

pub(crate) fn style(look: Appearance, token: Token) -> Style {
    match token {
        Token::Keyword => look.sql_keyword(),
        Token::String => look.sql_string(),
        Token::Number => look.sql_number(),
        Token::Comment => look.sql_comment(),
        Token::Meta => look.sql_meta(),
        Token::Name | Token::Operator => Style::new(),
    }
}
