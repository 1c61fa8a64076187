//! What EXPLAIN says of a plan: its tree, the statements that it sends, its tier, its shards, and why.

use std::sync::Arc;

use vitrail_planner::plan::{Keyed, Node, Plan, Resolved, Steps, Write};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::value::Binds;
use vitrail_sql::normalise::Normalised;

use crate::cluster::Keyspace;
use crate::planning::{self, Planned};
use crate::request::Scope;
use crate::session::Session;
use crate::{asked, catalog, sequences};

/// Bytes of a statement that are shown.
const TEXT: usize = 1024;

/// The lines of a statement's plan. What `notes` has to say of a node replaces what is said of it otherwise.
pub(super) async fn lines(
    scope: &Scope<'_>,
    session: &Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    notes: &(dyn Fn(Node) -> Vec<String> + Sync),
) -> Result<Vec<String>, ErrorBody> {
    let of_view = planning::expanded(scope, session, statement)?;
    let (statement, planned) = match &of_view {
        Some((expanded, planned)) => (expanded, Arc::clone(planned)),
        None => (statement, planning::plan(scope, session, statement)?),
    };
    let of_catalog;
    let (plan, statement, binds) = match &*planned {
        Planned::Plan(plan) | Planned::Locks(plan) => (&**plan, statement, binds),
        Planned::Catalog => {
            of_catalog = catalog::plan(scope, session, statement, (binds, binds)).await?;
            (&of_catalog.plan, &of_catalog.statement, &of_catalog.all_binds)
        }
        Planned::Own(_) => return Ok(vec!["answered by the gate".to_owned()]),
    };
    let keyspace = scope.view.cluster.keyspace(plan.keyspace())?;
    // It inserts nothing, and takes no number of a sequence.
    let unfilled = plan.filling().map(|filling| sequences::unfilled(filling, binds));
    let binds = unfilled.as_ref().unwrap_or(binds);
    let answered = match plan.asked() {
        Some(asked) => Some(asked::ask(scope, session, keyspace, asked, statement, (binds, binds)).await?),
        None => None,
    };
    let binds = answered.as_ref().map_or(binds, |answered| &answered.all_binds);
    let mut resolved = plan.resolve(statement, binds, &keyspace.layout);
    let exact = match &resolved {
        Err(refusal) if refusal.code == Code::Unsupported && plan.may_be_exact() => {
            planning::exact(scope, session, statement, &refusal.clone().into(), (of_view.is_some(), false))
        }
        _ => None,
    };
    let plan = match exact.as_deref() {
        Some(Planned::Plan(exact)) => {
            resolved = exact.resolve(statement, binds, &keyspace.layout);
            exact
        }
        _ => plan,
    };
    let sent = |node| match (notes(node), &resolved) {
        (said, _) if !said.is_empty() => said,
        (_, Ok(resolved)) => said_of(node, resolved, keyspace, binds),
        (_, Err(_)) => Vec::new(),
    };
    let mut lines: Vec<String> = plan.describe_with(&sent).lines().map(str::to_owned).collect();
    match &resolved {
        Ok(resolved) => lines.extend(summary(plan, resolved, keyspace)),
        // A bind that EXPLAIN was not given, or a value that its column cannot have.
        Err(refusal) => lines.push(format!("shards: not known, {}", refusal.message)),
    }
    Ok(lines)
}

/// Tier, shards and reason.
fn summary(plan: &Plan, resolved: &Resolved, keyspace: &Keyspace) -> [String; 3] {
    let (count, all) = (resolved.statements.len(), keyspace.shards.len());
    let tier = match (count, &resolved.join) {
        _ if resolved.exact.is_some() => "exact",
        (1, _) => "one place",
        (_, Some(_)) => "joined in the gate",
        _ if resolved.steps.is_some() => "in steps",
        _ => "over shards",
    };
    let names: Vec<&str> = resolved.statements.iter().map(|of| &*keyspace.shards[of.shard].name).collect();
    if let Some(exact) = &resolved.exact {
        return [
            format!("tier: {tier}"),
            format!("fragments: {}", exact.fragments().len()),
            format!("why: {}", plan.why(true)),
        ];
    }
    [
        format!("tier: {tier}"),
        format!("shards: {} ({count} of {all} of `{}`)", names.join(", "), keyspace.name),
        format!("why: {}", plan.why(keyspace.sharded)),
    ]
}

/// The statements of a node; shards that get the same text share a line.
fn said_of(node: Node, resolved: &Resolved, keyspace: &Keyspace, binds: &Arc<Binds>) -> Vec<String> {
    let of_side;
    if let Some(exact) = &resolved.exact {
        return match node {
            Node::Scratch => vec![format!("send: {}", shown(&resolved.statements[0].sql))],
            Node::Shards(Some(fragment)) if !exact.text(fragment).is_empty() => {
                vec![format!("send: {}", shown(exact.text(fragment)))]
            }
            _ => Vec::new(),
        };
    }
    let statements = match (node, &resolved.join) {
        (Node::Read, _) => match resolved.steps.as_ref().map(|steps| steps.read(binds, &keyspace.layout)) {
            Some(Ok(resolved)) => {
                of_side = resolved.statements;
                &of_side
            }
            Some(Err(refusal)) => return vec![refusal.message],
            None => return Vec::new(),
        },
        (Node::Write, _) => {
            return resolved.steps.iter().map(|steps| format!("send: {}", shown(&written(steps)))).collect();
        }
        (Node::Merge, _) if resolved.statements.len() == 1 => return vec!["not needed, there is one shard".to_owned()],
        (Node::Shards(None), None) => &resolved.statements,
        (Node::Shards(Some(0)), Some(join)) => match join.read(0, Vec::new(), binds, &keyspace.layout) {
            Ok(resolved) => {
                of_side = resolved.statements;
                &of_side
            }
            Err(refusal) => return vec![refusal.message],
        },
        // Where it goes is known with the values that the sides before have.
        (Node::Shards(Some(side)), Some(join)) => return vec![format!("send: {}", shown(join.text(side)))],
        _ => return Vec::new(),
    };
    let mut lines: Vec<(Vec<&str>, &str)> = Vec::new();
    for statement in statements {
        let name = &*keyspace.shards[statement.shard].name;
        match lines.last_mut() {
            Some((names, text)) if **text == *statement.sql => names.push(name),
            _ => lines.push((vec![name], &statement.sql)),
        }
    }
    lines.into_iter().map(|(names, text)| format!("send to {}: {}", names.join(", "), shown(text))).collect()
}

/// The text that writes rows, once it is known which.
fn written(steps: &Steps) -> String {
    match steps.write() {
        Write::Keyed(tables) => tables.iter().map(Keyed::text).collect::<Vec<_>>().join("; "),
        Write::Allot(allotment) => allotment.text(1),
        Write::Insert(insertion) => insertion.text(1),
        Write::Complete(completion) => completion.statement().text.to_string(),
        Write::Rehearse(rehearsal) => rehearsal.texts(),
    }
}

/// A statement's text in one line, as far as it is shown.
pub(super) fn shown(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(TEXT)];
    let line = cut.replace(['\n', '\r'], " ");
    if cut.len() < text.len() { format!("{line}…") } else { line }
}
