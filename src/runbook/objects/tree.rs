//! One statement's tree as what it adds, changes and drops.

use super::form::{self, shown, word};
use super::name::{Name, identifier, quoted};
use super::{
    Action, Column, Constraint, ConstraintKind, Deed, Expression, Facet, Generated, Index, Sort,
};
use SyntaxKind as Kind;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

/// A deed, and whether it says IF [NOT] EXISTS.
type Guarded = (bool, Deed);

/// What the text of one statement does, and why that may not be all.
pub(super) fn deeds(text: &str, kind: &str) -> (Vec<Guarded>, Option<&'static str>) {
    let why = match kind.split(' ').next().unwrap_or_default() {
        "DO" => Some("a block of code, which may do anything"),
        "CALL" | "EXECUTE" => Some("what it calls may do anything"),
        "UNKNOWN" => Some("its kind is not known"),
        _ => match kind {
            "CREATE EXTENSION" | "ALTER EXTENSION" | "IMPORT FOREIGN SCHEMA" | "DROP OWNED" => {
                Some("the objects that come or go with it are not named")
            }
            "CREATE SCHEMA" if text.to_ascii_uppercase().contains("CREATE TABLE") => {
                Some("the objects in it are not looked into")
            }
            _ => None,
        },
    };
    let defines = matches!(
        kind.split(' ').next().unwrap_or_default(),
        "CREATE" | "ALTER" | "DROP" | "COMMENT"
    );
    let file = SourceFile::parse(text);
    if defines && !file.errors().is_empty() {
        return (Vec::new(), why.or(Some("its text could not be parsed")));
    }
    let mut deeds = Vec::new();
    let mut cascades = false;
    for statement in file.syntax_node().children() {
        cascades |= kind.starts_with("DROP") && has(&statement, Kind::CASCADE);
        of_statement(&statement, kind, &mut deeds);
    }
    let why = why.or(cascades.then_some("CASCADE drops what depends on it too"));
    (deeds, why)
}

fn child(node: &SyntaxNode, kind: Kind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

fn has(node: &SyntaxNode, kind: Kind) -> bool {
    child(node, kind).is_some()
}

fn has_word(node: &SyntaxNode, kind: Kind) -> bool {
    node.children_with_tokens()
        .any(|element| element.as_token().is_some_and(|token| token.kind() == kind))
}

fn guarded(node: &SyntaxNode) -> bool {
    has(node, Kind::IF_NOT_EXISTS) || has(node, Kind::IF_EXISTS)
}

/// The name in a node: its segments, the outermost first.
fn name(node: &SyntaxNode) -> Option<Name> {
    Name::of(segments(node))
}

fn segments(node: &SyntaxNode) -> Vec<String> {
    let segments: Vec<String> = node
        .descendants()
        .filter(|node| matches!(node.kind(), Kind::PATH_SEGMENT | Kind::PATH_SEGMENT_REF))
        .map(|segment| identifier(&shown(&segment)))
        .collect();
    if segments.is_empty() {
        return vec![identifier(&shown(node))];
    }
    segments
}

/// The last part of a name that stands in a child of that kind.
fn own_name(node: &SyntaxNode, kind: Kind) -> Option<String> {
    Some(name(&child(node, kind)?)?.name)
}

/// The relation that a statement is about.
fn relation(statement: &SyntaxNode) -> Option<Name> {
    let named = |node: &SyntaxNode| {
        matches!(
            node.kind(),
            Kind::TABLE_RELATION_NAME
                | Kind::TABLE_NAME
                | Kind::TABLE_NAME_REF
                | Kind::RELATION_NAME_REF
                | Kind::ON_RELATION
        )
    };
    let node = statement.children().find(named)?;
    let inner = node.descendants().find(|node| {
        matches!(
            node.kind(),
            Kind::TABLE_NAME | Kind::TABLE_NAME_REF | Kind::RELATION_NAME_REF
        )
    });
    name(&inner.unwrap_or(node))
}

fn of_statement(statement: &SyntaxNode, kind: &str, deeds: &mut Vec<Guarded>) {
    let guard = guarded(statement);
    match statement.kind() {
        Kind::CREATE_TABLE => create_table(statement, deeds),
        Kind::CREATE_TABLE_AS => {
            let table = relation(statement).map(Deed::AddTable);
            deeds.extend(table.map(|deed| (guard, deed)));
        }
        Kind::ALTER_TABLE => {
            if let Some(table) = relation(statement) {
                for action in statement.children() {
                    alter_table(&table, &action, deeds);
                }
            }
        }
        Kind::CREATE_INDEX => {
            let index = index(statement).map(Deed::AddIndex);
            deeds.extend(index.map(|deed| (guard, deed)));
        }
        Kind::DROP_TABLE => dropped(statement, Kind::TABLE_NAME_REF, Sort::Table, deeds),
        Kind::DROP_INDEX => dropped(statement, Kind::INDEX_REF, Sort::Index, deeds),
        Kind::DROP_SEQUENCE => dropped(statement, Kind::SEQUENCE_REF, Sort::Sequence, deeds),
        Kind::COMMENT_ON => {
            let object = statement.children().next();
            let table = object
                .as_ref()
                .filter(|object| object.kind() == Kind::OBJECT_TABLE)
                .and_then(name);
            let column = object
                .as_ref()
                .filter(|object| object.kind() == Kind::OBJECT_COLUMN)
                .and_then(|object| {
                    let mut parts = segments(object);
                    parts.pop();
                    Name::of(parts)
                });
            let deed = Deed::Add {
                sort: Sort::Comment,
                name: object.map_or_else(String::new, |object| format!("on {}", shown(&object))),
                table: table.or(column),
            };
            deeds.push((false, deed));
        }
        _ => other(statement, kind, guard, deeds),
    }
}

/// What has no reading of its own: by the words of its kind.
fn other(statement: &SyntaxNode, kind: &str, guard: bool, deeds: &mut Vec<Guarded>) {
    let Some((verb, object)) = kind.split_once(' ') else {
        return;
    };
    let sort = match object {
        "SEQUENCE" => Sort::Sequence,
        "TABLE" => Sort::Table,
        "INDEX" => Sort::Index,
        object => Sort::Other(object.to_ascii_lowercase()),
    };
    let behind = shown(statement);
    let called = statement
        .children()
        .find(|node| {
            !matches!(
                node.kind(),
                Kind::IF_EXISTS | Kind::IF_NOT_EXISTS | Kind::OR_REPLACE
            )
        })
        .map_or_else(String::new, |node| shown(&node));
    let table = match object {
        "TRIGGER" | "POLICY" | "RULE" => relation(statement).or_else(|| {
            let mut inner = statement.descendants();
            let table = inner
                .find(|node| matches!(node.kind(), Kind::TABLE_NAME_REF | Kind::RELATION_NAME_REF));
            name(&table?)
        }),
        _ => None,
    };
    let deed = match (verb, kind) {
        (_, "ALTER DEFAULT PRIVILEGES" | "ALTER SYSTEM" | "ALTER DATABASE" | "ALTER ROLE") => {
            return;
        }
        ("SELECT", "SELECT INTO") => {
            let into = statement
                .descendants()
                .find(|node| node.kind() == Kind::INTO_CLAUSE);
            match into.as_ref().and_then(name) {
                Some(table) => Deed::AddTable(table),
                None => return,
            }
        }
        ("CREATE", _) => Deed::Add {
            sort,
            name: called,
            table,
        },
        ("ALTER", _) => Deed::Alter {
            sort,
            name: called,
            table,
            how: behind,
            action: Action::None,
        },
        ("DROP", _) => match Name::parse(&called) {
            Some(name) => Deed::Drop { sort, name, table },
            None => return,
        },
        _ => return,
    };
    deeds.push((guard, deed));
}

fn dropped(statement: &SyntaxNode, each: Kind, sort: Sort, deeds: &mut Vec<Guarded>) {
    let guard = guarded(statement);
    let named = statement.children().filter(|node| node.kind() == each);
    deeds.extend(named.filter_map(|node| name(&node)).map(|name| {
        let table = (sort == Sort::Table).then(|| name.clone());
        let sort = sort.clone();
        (guard, Deed::Drop { sort, name, table })
    }));
}

fn create_table(statement: &SyntaxNode, deeds: &mut Vec<Guarded>) {
    let Some(table) = relation(statement) else {
        return;
    };
    let guard = guarded(statement);
    deeds.push((guard, Deed::AddTable(table.clone())));
    let list = child(statement, Kind::TABLE_ARG_LIST);
    for part in list.iter().flat_map(SyntaxNode::children) {
        if part.kind() == Kind::COLUMN {
            column(&table, &part, guard, true, deeds);
        } else if let Some(mut constraint) = constraint(&table, &part, None) {
            constraint.with_table = true;
            deeds.push((guard, Deed::AddConstraint(constraint)));
        }
    }
}

fn is_type(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PATH_TYPE
            | Kind::ARRAY_TYPE
            | Kind::BIT_TYPE
            | Kind::BIT_VARYING_TYPE
            | Kind::CHARACTER_TYPE
            | Kind::VARCHAR_TYPE
            | Kind::DOUBLE_TYPE
            | Kind::INTERVAL_TYPE
            | Kind::TIME_TYPE
            | Kind::TIMESTAMP_TYPE
            | Kind::PERCENT_TYPE
    )
}

/// A column that is added, and the constraints that it brings.
fn column(
    table: &Name,
    node: &SyntaxNode,
    guard: bool,
    with_table: bool,
    deeds: &mut Vec<Guarded>,
) {
    let Some(called) = own_name(node, Kind::COLUMN_NAME) else {
        return;
    };
    let kind = node
        .children()
        .find(|child| is_type(child.kind()))
        .map_or_else(String::new, |kind| shown(&kind));
    let serial = kind.to_ascii_lowercase();
    let mut column = Column {
        table: table.clone(),
        name: called.clone(),
        generated: match serial.as_str() {
            "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial" => {
                Generated::Serial
            }
            _ => Generated::No,
        },
        not_null: serial.contains("serial"),
        kind,
        default: None,
        with_table,
    };
    let mut constraints = Vec::new();
    for part in node.children() {
        match part.kind() {
            Kind::NOT_NULL_CONSTRAINT => column.not_null = true,
            Kind::DEFAULT_CONSTRAINT => column.default = expression_in(&part),
            Kind::GENERATED_CONSTRAINT if has(&part, Kind::GENERATED_IDENTITY) => {
                column.generated = Generated::Identity;
                column.not_null = true;
            }
            Kind::GENERATED_CONSTRAINT => {
                column.generated = match has(&part, Kind::GENERATED_STORED) {
                    true => Generated::Stored,
                    false => Generated::Virtual,
                };
                column.default = part.children().find_map(|inner| expression_in(&inner));
            }
            _ => {
                if let Some(mut constraint) = constraint(table, &part, Some(&called)) {
                    constraint.with_table = with_table;
                    column.not_null |= constraint.kind == ConstraintKind::Primary;
                    constraints.push((guard, Deed::AddConstraint(constraint)));
                }
            }
        }
    }
    // NULL is what a column has without a default.
    column.default = column.default.filter(|default| default.form != "null");
    deeds.push((guard, Deed::AddColumn(column)));
    deeds.extend(constraints);
}

/// The expression among a node's children: what is no name of a constraint and no keyword of it.
fn expression_in(node: &SyntaxNode) -> Option<Expression> {
    let is_other = |kind: Kind| {
        matches!(
            kind,
            Kind::CONSTRAINT_NAME_CLAUSE
                | Kind::GENERATED_ALWAYS
                | Kind::STORED
                | Kind::VIRTUAL
                | Kind::NOT_VALID
                | Kind::NO_INHERIT
        )
    };
    let inner = node.children().find(|child| !is_other(child.kind()))?;
    Some(expression(&inner))
}

fn expression(node: &SyntaxNode) -> Expression {
    let volatile = node.descendants().any(|node| {
        // The time of the transaction is one value for all rows; of other calls nothing is known.
        node.kind() == Kind::CALL_EXPR
            && node.first_child().is_none_or(|called| {
                let called = shown(&called).to_ascii_lowercase();
                !matches!(
                    called.trim_start_matches("pg_catalog."),
                    "now" | "transaction_timestamp" | "statement_timestamp"
                )
            })
    });
    Expression {
        text: shown(node),
        form: form::of(node),
        volatile,
    }
}

/// A constraint of a table, or of the column `of`.
fn constraint(table: &Name, node: &SyntaxNode, of: Option<&str>) -> Option<Constraint> {
    let kind = match node.kind() {
        Kind::PRIMARY_KEY_CONSTRAINT => ConstraintKind::Primary,
        Kind::UNIQUE_CONSTRAINT => ConstraintKind::Unique,
        Kind::REFERENCES_CONSTRAINT | Kind::FOREIGN_KEY_CONSTRAINT => ConstraintKind::Foreign,
        Kind::CHECK_CONSTRAINT => ConstraintKind::Check,
        Kind::EXCLUDE_CONSTRAINT => ConstraintKind::Exclude,
        _ => return None,
    };
    let called = child(node, Kind::CONSTRAINT_NAME_CLAUSE);
    let lists: Vec<SyntaxNode> = node
        .children()
        .flat_map(|child| match child.kind() {
            Kind::INDEX_PARAMETERS => child.children().collect(),
            _ => vec![child],
        })
        .filter(|child| {
            matches!(
                child.kind(),
                Kind::FOREIGN_KEY_COLUMN_LIST | Kind::CONSTRAINT_COLUMN_REF_LIST
            )
        })
        .collect();
    let columns = |list: Option<&SyntaxNode>| -> Vec<String> {
        let list = list.into_iter().flat_map(SyntaxNode::descendants);
        list.filter(|node| node.kind() == Kind::COLUMN_NAME_REF)
            .map(|node| identifier(&shown(&node)))
            .collect()
    };
    let target = child(node, Kind::TABLE_NAME_REF).and_then(|node| name(&node));
    let own = match of {
        Some(column) => vec![column.to_owned()],
        None => columns(lists.first()),
    };
    let references = target.map(|target| {
        let columns = match of {
            // REFERENCES table (column) has its column beside the table.
            Some(_) => own_name(node, Kind::COLUMN_NAME_REF).into_iter().collect(),
            None => columns(lists.get(1)),
        };
        (target, columns)
    });
    let expression = match kind {
        ConstraintKind::Check => expression_in(node),
        ConstraintKind::Exclude => child(node, Kind::CONSTRAINT_EXCLUSION_LIST)
            .as_ref()
            .map(expression),
        _ => None,
    };
    let rest: Vec<String> = node
        .children()
        .filter(|child| {
            matches!(
                child.kind(),
                Kind::ON_DELETE_ACTION
                    | Kind::ON_UPDATE_ACTION
                    | Kind::MATCH_FULL
                    | Kind::DEFERRABLE_CONSTRAINT_OPTION
                    | Kind::INITIALLY_DEFERRED_CONSTRAINT_OPTION
                    | Kind::NULLS_NOT_DISTINCT
                    | Kind::WHERE_CONDITION_CLAUSE
            )
        })
        .map(|child| words(&child))
        // What is said without being said.
        .filter(|text| !text.ends_with(" no action"))
        .collect();
    let mut rest = rest;
    rest.sort();
    let mut definition = shown(node);
    if let Some(called) = &called
        && let Some(behind) = definition.strip_prefix(&shown(called))
    {
        definition = behind.trim_start().to_owned();
    }
    Some(Constraint {
        table: table.clone(),
        name: called
            .as_ref()
            .and_then(|called| own_name(called, Kind::CONSTRAINT_NAME)),
        kind,
        columns: own,
        references,
        expression,
        rest: rest.join(" "),
        not_valid: has(node, Kind::NOT_VALID),
        using_index: has(node, Kind::USING_INDEX_NAME),
        with_column: of.is_some(),
        with_table: false,
        definition,
    })
}

/// A node's words in their one form.
fn words(node: &SyntaxNode) -> String {
    let tokens = node.descendants_with_tokens();
    let words: Vec<String> = tokens
        .filter_map(|element| element.into_token())
        .filter_map(|token| word(&token))
        .collect();
    words.join(" ")
}

fn index(statement: &SyntaxNode) -> Option<Index> {
    let table = relation(statement)?;
    let keys = child(statement, Kind::PARTITION_ITEM_LIST);
    let include = child(statement, Kind::INDEX_INCLUDE_CLAUSE)
        .and_then(|clause| child(&clause, Kind::PARTITION_ITEM_LIST));
    let method = child(statement, Kind::USING_METHOD)
        .and_then(|clause| clause.children().next())
        .map(|method| identifier(&shown(&method)));
    let predicate = child(statement, Kind::WHERE_CLAUSE).and_then(|clause| expression_in(&clause));
    let named = child(statement, Kind::TABLE_RELATION_NAME)?;
    let text = shown(statement);
    let behind = usize::from(named.text_range().end() - statement.text_range().start());
    // What is shown has other blanks than the text; so it is taken from the text and shown anew.
    let definition = statement
        .text()
        .to_string()
        .get(behind..)
        .map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or(text);
    let rest: Vec<String> = statement
        .children()
        .filter(|child| matches!(child.kind(), Kind::NULLS_NOT_DISTINCT))
        .map(|child| words(&child))
        .collect();
    Some(Index {
        table,
        name: child(statement, Kind::INDEX).and_then(|node| Some(name(&node)?.name)),
        unique: has_word(statement, Kind::UNIQUE_KW),
        method: method.unwrap_or_else(|| "btree".to_owned()),
        keys: keys.iter().flat_map(items).collect(),
        include: include.iter().flat_map(items).collect(),
        predicate,
        rest: rest.join(" "),
        definition,
    })
}

/// The items of an index in one form: expression, operator class, order.
fn items(list: &SyntaxNode) -> Vec<String> {
    let of_kind = list.children();
    of_kind
        .filter(|item| item.kind() == Kind::PARTITION_ITEM)
        .map(|item| {
            let mut parts: Vec<String> = Vec::new();
            let descends = has(&item, Kind::SORT_DESC);
            for (at, part) in item.children().enumerate() {
                match part.kind() {
                    Kind::SORT_ASC => {}
                    // What is said without being said.
                    Kind::NULLS_FIRST if descends => {}
                    Kind::NULLS_LAST if !descends => {}
                    _ if at == 0 => parts.push(form::of(&part)),
                    _ => parts.push(words(&part)),
                }
            }
            parts.join(" ")
        })
        .collect()
}

fn alter_table(table: &Name, action: &SyntaxNode, deeds: &mut Vec<Guarded>) {
    let guard = guarded(action);
    let named = |sort: Sort, name: Option<String>| {
        name.map(|name| Deed::Drop {
            sort,
            name: Name { schema: None, name },
            table: Some(table.clone()),
        })
    };
    let alter = |sort, name: String, action_of| Deed::Alter {
        sort,
        name,
        table: Some(table.clone()),
        how: shown(action),
        action: action_of,
    };
    let constraint_name = || {
        own_name(action, Kind::CONSTRAINT_NAME_REF)
            .as_deref()
            .map(quoted)
            .unwrap_or_default()
    };
    let deed = match action.kind() {
        Kind::TABLE_RELATION_NAME | Kind::IF_EXISTS => None,
        Kind::ADD_COLUMN => {
            column(table, action, guard, false, deeds);
            None
        }
        Kind::ADD_CONSTRAINT => {
            let added = action.children().find_map(|c| constraint(table, &c, None));
            match added {
                Some(constraint) => Some(Deed::AddConstraint(constraint)),
                None => Some(alter(Sort::Table, table.to_string(), Action::Other)),
            }
        }
        Kind::DROP_COLUMN => named(Sort::Column, own_name(action, Kind::COLUMN_NAME_REF)),
        Kind::DROP_CONSTRAINT => named(
            Sort::Constraint,
            own_name(action, Kind::CONSTRAINT_NAME_REF),
        ),
        Kind::ALTER_COLUMN => own_name(action, Kind::COLUMN_NAME_REF)
            .zip(action.children().find_map(|part| facet(&part)))
            .map(|(name, facet)| Deed::AlterColumn {
                table: table.clone(),
                name,
                facet,
            }),
        Kind::RENAME_COLUMN => own_name(action, Kind::COLUMN_NAME_REF)
            .zip(own_name(action, Kind::COLUMN_NAME))
            .map(|(name, to)| Deed::AlterColumn {
                table: table.clone(),
                name,
                facet: Facet::Name(to),
            }),
        Kind::VALIDATE_CONSTRAINT => {
            Some(alter(Sort::Constraint, constraint_name(), Action::Validate))
        }
        Kind::ALTER_CONSTRAINT | Kind::RENAME_CONSTRAINT => {
            Some(alter(Sort::Constraint, constraint_name(), Action::Other))
        }
        kind => {
            let of = match kind {
                Kind::CLUSTER_ON
                | Kind::SET_WITHOUT_CLUSTER
                | Kind::SET_OPTIONS
                | Kind::RESET_OPTIONS
                | Kind::OPTION_ITEM_LIST
                | Kind::ALTER_OPTION_LIST => Action::Parameters,
                Kind::ENABLE_TRIGGER
                | Kind::DISABLE_TRIGGER
                | Kind::ENABLE_ALWAYS_TRIGGER
                | Kind::ENABLE_REPLICA_TRIGGER => Action::Trigger,
                Kind::ATTACH_PARTITION => Action::Attach,
                Kind::SET_LOGGED
                | Kind::SET_UNLOGGED
                | Kind::SET_TABLESPACE
                | Kind::SET_ACCESS_METHOD => Action::Rewrite,
                _ => Action::Other,
            };
            Some(alter(Sort::Table, table.to_string(), of))
        }
    };
    deeds.extend(deed.map(|deed| (guard, deed)));
}

fn facet(part: &SyntaxNode) -> Option<Facet> {
    Some(match part.kind() {
        Kind::COLUMN_NAME_REF => return None,
        Kind::SET_TYPE => {
            let kind = part.children().find(|child| is_type(child.kind()))?;
            Facet::Kind(shown(&kind))
        }
        Kind::SET_DEFAULT => {
            let default = expression_in(part);
            Facet::Default(default.filter(|default| default.form != "null"))
        }
        Kind::DROP_DEFAULT => Facet::Default(None),
        Kind::SET_NOT_NULL => Facet::NotNull(true),
        Kind::DROP_NOT_NULL => Facet::NotNull(false),
        _ => Facet::Other(shown(part)),
    })
}
