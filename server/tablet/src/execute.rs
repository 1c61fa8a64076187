//! From a call to a statement under way: where it runs, and on what.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_service::Result;
use vitrail_service::call::{Call, On, Statement};
use vitrail_service::execution::Execution;
use vitrail_service::overdue::{Overdue, TABLET_PATIENCE};

use crate::carried::Carried;
use crate::clock::Clock;
use crate::consolidator::entering::Asked;
use crate::guard::Place;
use crate::held;
use crate::late::Late;
use crate::lease::Lease;
use crate::outbox::{Outbox, ended_early};
use crate::run::Run;
use crate::running::Registered;
use crate::shared::Shared;
use crate::stop::Stops;

impl Shared {
    /// Runs a statement, or lets it share the execution of another one.
    pub(crate) async fn execute(
        shared: &Arc<Shared>,
        registered: Registered,
        call: Call,
        statement: Statement,
        on: On,
    ) -> Result<Execution> {
        let deadline = call.deadline.or_else(|| {
            let limit = shared.config.limits.statement_timeout;
            (!limit.is_zero()).then(|| Instant::now() + limit)
        });
        let place = match &on {
            On::Pool => Place::Shared,
            On::Begin(_) => Place::Transaction,
            On::Reserve | On::BeginOn(..) => Place::Reserved,
            On::Connection(id) => shared.held.place(*id).ok_or_else(|| shared.refuse(held::unknown()))?,
            On::Keep(id) => shared.held.keep(*id).map_err(|error| shared.refuse(error))?,
        };
        let mode = shared.lex_mode(&call).await.map_err(|error| shared.refuse(error))?;
        let reading =
            shared.readings.read(&statement.sql, place, mode, statement.values.as_deref()).map_err(|error| {
                shared.refuse(ErrorBody {
                    in_transaction: matches!(on, On::Connection(_)) && place == Place::Transaction,
                    ..error
                })
            })?;
        if reading.passed.empty && matches!(on, On::Pool) {
            return Err(
                shared.refuse(ErrorBody::new(Code::Invalid, "the statement is empty").with_errno(1065, "42000"))
            );
        }
        let asked = Asked { registered, call, statement, reading, deadline };
        if matches!(on, On::Pool)
            && asked.statement.share != Share::Off
            && !asked.statement.writes
            && !asked.reading.passed.reset_after
            && let Some(consolidator) = &shared.consolidator
        {
            return consolidator.execute(shared, asked).await;
        }
        // Boxed: it would make every call larger that shares an execution.
        Box::pin(Self::execute_alone(shared, asked, place, on)).await
    }

    /// Runs a statement for its caller alone.
    async fn execute_alone(shared: &Arc<Shared>, asked: Asked, place: Place, on: On) -> Result<Execution> {
        let Asked { registered, call, statement, reading, deadline } = asked;
        let mut overdue = Overdue::new(&call, TABLET_PATIENCE, &statement, &on);
        let (outbox, opening) = Outbox::new();
        let mut run = Run {
            shared: shared.clone(),
            lease: Lease::none(),
            place,
            id: None,
            taken_here: false,
            begin: None,
            begins_on: matches!(on, On::BeginOn(..)),
            stops: Stops {
                cancel: registered.cancel.clone(),
                running: Arc::clone(&shared.running),
                expire: None,
                deadline,
            },
            call,
            statement,
            reading,
            outbox,
            clock: Clock::default(),
            registered: Some(registered),
            executing: Some(shared.running.execute()),
            text: None,
            answered: false,
            stopped: None,
            sent: false,
            killed: false,
        };
        match on {
            On::Connection(id) | On::Keep(id) | On::BeginOn(id, _) => {
                let taken = shared.held.take(id).map_err(|error| shared.refuse(error))?;
                run.id = Some(id);
                run.lease = taken.lease;
                run.stops.expire = Some(taken.expire);
                if let On::BeginOn(_, options) = on {
                    shared.held.limit(id, options.max_ms.map(|millis| Duration::from_millis(u64::from(millis))));
                    run.begin = Some(options);
                }
            }
            on => {
                let waiting = Instant::now();
                let lease = shared.lease_in_turn(place, &run.call, &run.statement, deadline);
                let lease = run.stops.unless_fired(pin!(lease)).await.unwrap_or_else(|why| Err(why.error()));
                run.lease = lease.map_err(|error| shared.refuse(error))?;
                run.clock.waited_since(waiting);
                let max_age = match &on {
                    On::Begin(options) => options.max_ms.map(|millis| Duration::from_millis(u64::from(millis))),
                    _ => None,
                };
                if place != Place::Shared {
                    let (id, expire) = shared.held.begin(place, max_age);
                    run.id = Some(id);
                    run.taken_here = true;
                    run.outbox.connection = Some(id);
                    run.stops.expire = Some(expire);
                }
                if let On::Begin(options) = on {
                    run.begin = Some(options);
                }
            }
        }
        overdue.until = run.stops.deadline.map(|deadline| deadline + TABLET_PATIENCE);
        let mut late = Late { shared: shared.clone(), overdue, id: run.id };
        let span = shared.span(&run.call);
        let carried = Carried::new(Box::pin(async move { run.run().await }.instrument(span)));
        let mut opening = late.wait(carried.until(pin!(opening))).await?.unwrap_or_else(|_| Err(ended_early()))?;
        if opening.parts.goes_on() {
            late.overdue.held = late.id.is_some();
            opening.parts.late = Some(late);
        }
        Ok(Execution { connection: opening.connection, parts: Box::new(opening.parts) })
    }
}
