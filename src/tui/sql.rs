//! SQL text in colours: tokens from the runbook's highlighter as styles of the theme.
//!
//! It never changes the text, only how it is drawn.

use super::theme::Appearance;
use ratatui::style::Style;
use std::ops::Range;

/// What a stretch of SQL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum Token {
    Keyword,
    Name,
    String,
    Number,
    Comment,
    Operator,
    Meta,
}

/// The tokens of `text`, as byte ranges in order.
pub(crate) fn tokens(_text: &str) -> Vec<(Range<usize>, Token)> {
    Vec::new()
}

/// How a token looks.
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
