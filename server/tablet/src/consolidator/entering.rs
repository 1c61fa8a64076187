//! A call's way into a round, and the run of a round that it forms.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;
use vitrail_proto::error::ErrorBody;
use vitrail_service::call::{Call, Statement};
use vitrail_service::execution::Execution;

use super::round::Round;
use super::seat::Seat;
use super::{Consolidator, Way};
use crate::clock::Clock;
use crate::guard::Place;
use crate::lease::Lease;
use crate::outbox::Outbox;
use crate::reading::Reading;
use crate::run::Run;
use crate::running::Registered;
use crate::shared::Shared;
use crate::stop::Stops;

/// A call that the guard has let pass.
pub(crate) struct Asked {
    pub(crate) registered: Registered,
    pub(crate) call: Call,
    pub(crate) statement: Statement,
    pub(crate) reading: Arc<Reading>,
    pub(crate) deadline: Option<Instant>,
}

impl Consolidator {
    /// Answers a call by an execution that it shares, or that others may share with it.
    ///
    /// # Errors
    /// What its execution failed with, the call's own cancel or deadline, or too many calls that share already.
    pub(crate) async fn execute(self: &Arc<Self>, tablet: &Arc<Shared>, asked: Asked) -> Result<Execution, ErrorBody> {
        let way = self
            .admit(&asked.call, &asked.statement, asked.reading.template.mode())
            .map_err(|error| tablet.refuse(error))?;
        let (round, joined) = match way {
            Way::Joined(round, joined) => {
                // Others wait for it now: its progress is not the first one's affair any more.
                round.run.let_go();
                (round, Some(joined))
            }
            Way::Formed(round) => {
                let run = self.run(tablet, &round, &asked);
                let span = tablet.span(&run.call);
                let leads = run.lead(Arc::clone(&round), Arc::clone(self));
                round.run.carry(if span.is_disabled() { Box::pin(leads) } else { Box::pin(leads.instrument(span)) });
                (round, None)
            }
        };
        let Asked { registered, call, statement, deadline, .. } = asked;
        let seat = Seat::new(Arc::clone(tablet), round, joined, registered, deadline, call, statement);
        let mut seat = Box::new(seat);
        seat.begin().await?;
        Ok(Execution { connection: None, parts: seat })
    }

    /// The run of a round. It ends when all who share it have gone: their deadlines are theirs.
    fn run(self: &Arc<Self>, tablet: &Arc<Shared>, round: &Arc<Round>, asked: &Asked) -> Run {
        Run {
            shared: Arc::clone(tablet),
            lease: Lease::none(),
            place: Place::Shared,
            id: None,
            taken_here: false,
            begin: None,
            begins_on: false,
            call: Call { deadline: None, ..asked.call.clone() },
            statement: asked.statement.clone(),
            reading: Arc::clone(&asked.reading),
            stops: Stops {
                cancel: round.deserted.clone(),
                expire: None,
                running: Arc::clone(&tablet.running),
                deadline: None,
            },
            outbox: Outbox::shared(Arc::clone(round), Arc::clone(self)),
            clock: Clock::default(),
            registered: None,
            executing: Some(tablet.running.execute()),
            text: None,
            answered: false,
            stopped: None,
            sent: false,
            killed: false,
        }
    }
}
