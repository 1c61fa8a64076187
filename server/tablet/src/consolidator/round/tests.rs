//! Who shares a round, who waits for whom, and for how long: with a run that is played.

use bytes::Bytes;
use vitrail_proto::message::Share;
use vitrail_proto::rows::RowBatch;
use vitrail_service::call::{Call, CallId, Statement};
use vitrail_sql::lexer::LexMode;

use super::*;
use crate::config::ConsolidatorConfig;
use crate::consolidator::{Joined, Way};

const BATCH: usize = 1024;

fn consolidator(tune: impl FnOnce(&mut ConsolidatorConfig)) -> Arc<Consolidator> {
    let mut config = ConsolidatorConfig { backlog: 8 * BATCH as u64, ..ConsolidatorConfig::default() };
    tune(&mut config);
    Arc::new(Consolidator::new(config, BATCH as u64))
}

fn ask(consolidator: &Arc<Consolidator>, share: Share) -> Way {
    let call = Call {
        id: CallId(1),
        caller: "anna".into(),
        application: Arc::default(),
        deadline: None,
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    };
    let statement = Statement { share, ..Statement::new("SELECT 1", false) };
    consolidator.admit(&call, &statement, LexMode::default()).unwrap()
}

fn form(consolidator: &Arc<Consolidator>) -> Arc<Round> {
    match ask(consolidator, Share::Next) {
        Way::Formed(round) => round,
        Way::Joined(..) => panic!("it joined"),
    }
}

fn join(consolidator: &Arc<Consolidator>, share: Share, round: &Arc<Round>) -> Joined {
    match ask(consolidator, share) {
        Way::Joined(joined, place) if Arc::ptr_eq(&joined, round) => place,
        Way::Joined(..) => panic!("it joined another one"),
        Way::Formed(_) => panic!("it formed its own"),
    }
}

fn batch(number: usize) -> Vec<Part> {
    vec![Part::Rows(RowBatch { bytes: Bytes::from(vec![number as u8; BATCH]), count: 1 })]
}

/// What a reader finds; 256 for the end, `None` for nothing yet.
fn read(round: &Round, at: &mut usize) -> Option<usize> {
    match round.read(at) {
        Found::Part(Part::Rows(batch)) => Some(batch.bytes[0].into()),
        Found::End(Ok(())) => Some(256),
        Found::Nothing => None,
        Found::Part(_) | Found::End(Err(_)) => panic!("not of this round"),
        Found::CutOff(_) => panic!("cut off"),
    }
}

async fn has_turn(round: &Round) -> bool {
    tokio::time::timeout(Duration::from_millis(1), round.turn()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_round_takes_joiners_until_it_is_written_and_the_next_waits_for_it() {
    let consolidator = consolidator(|_| {});
    let first = form(&consolidator);
    assert!(has_turn(&first).await);
    let _one = join(&consolidator, Share::Next, &first);
    assert!(consolidator.write(&first));
    let second = form(&consolidator);
    let _two = join(&consolidator, Share::Next, &second);
    let _three = join(&consolidator, Share::Running, &first);
    assert!(!has_turn(&second).await);
    assert!(first.push(batch(1)).await);
    first.finish(Vec::new(), Ok(()));
    assert!(has_turn(&second).await);
    let mut at = 0;
    assert_eq!((read(&first, &mut at), read(&first, &mut at)), (Some(1), Some(256)));
    // Nobody joins what is over.
    let _four = join(&consolidator, Share::Running, &second);
    assert!(consolidator.write(&second));
    second.finish(Vec::new(), Ok(()));
    let stats = consolidator.stats();
    assert_eq!((stats.shared, stats.saved, stats.waiting, stats.forming), (2, 4, 4, 0));
    assert!(consolidator.parts.iter().all(|part| part.lock().is_empty()), "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn one_that_all_have_left_holds_nobody_up() {
    let consolidator = consolidator(|_| {});
    let first = form(&consolidator);
    drop(join(&consolidator, Share::Next, &first));
    assert_eq!((first.leave(0), first.deserted.is_cancelled()), (Left::Others, false));
    assert_eq!((first.leave(0), first.deserted.is_cancelled()), (Left::Nobody, true));
    // It was not written: it never will be.
    let second = form(&consolidator);
    assert!(has_turn(&second).await);
    assert!(!consolidator.write(&first) && consolidator.write(&second));
    // One that was, is being stopped while the next one begins.
    let third = form(&consolidator);
    assert!(!has_turn(&third).await);
    assert_eq!(second.leave(0), Left::Nobody);
    assert!(has_turn(&third).await);
    second.finish(Vec::new(), Err(ErrorBody::new(vitrail_proto::error::Code::Cancelled, "stopped")));
    assert!(matches!(second.read(&mut 0), Found::End(Err(_))), "the last one reads what became of it");
    assert!(consolidator.write(&third));
}

#[tokio::test(start_paused = true)]
async fn readers_that_all_progress_are_all_waited_for() {
    let consolidator = consolidator(|config| config.stall = Duration::from_secs(1));
    let round = form(&consolidator);
    let _place = join(&consolidator, Share::Next, &round);
    let _place = join(&consolidator, Share::Next, &round);
    assert!(consolidator.write(&round));
    // One is fast; two of three are slow, each takes a part every half second.
    let reader = |pause: Duration| {
        let round = Arc::clone(&round);
        tokio::spawn(async move {
            let (mut at, mut count) = (0, 0);
            loop {
                let news = round.news();
                match read(&round, &mut at) {
                    Some(256) => return count,
                    Some(number) => assert_eq!(number, count % 250),
                    None => {
                        news.await;
                        continue;
                    }
                }
                count += 1;
                tokio::time::sleep(pause).await;
            }
        })
    };
    let readers = [reader(Duration::ZERO), reader(Duration::from_millis(500)), reader(Duration::from_millis(501))];
    for number in 0..100 {
        assert!(round.push(batch(number)).await);
        assert!(consolidator.stats().bytes <= 10 * BATCH, "{}", consolidator.stats().bytes);
    }
    round.finish(Vec::new(), Ok(()));
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 100);
    }
    assert_eq!(consolidator.stats().cut_off, 0);
    drop(round);
    assert_eq!(consolidator.stats().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_few_slow_readers_hold_the_rest_up_for_a_bounded_time_in_all() {
    let consolidator = consolidator(|config| config.stall = Duration::from_secs(1));
    let round = form(&consolidator);
    let _places = [(); 2].map(|()| join(&consolidator, Share::Next, &round));
    assert!(consolidator.write(&round));
    let begin = Instant::now();
    let fast = [(); 2].map(|()| {
        let round = Arc::clone(&round);
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let news = round.news();
                match read(&round, &mut at) {
                    Some(256) => return at,
                    Some(_) => {}
                    None => news.await,
                }
            }
        })
    });
    // It never stands still for long, and is far too slow.
    let slow = {
        let round = Arc::clone(&round);
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                match round.read(&mut at) {
                    Found::CutOff(prefix) => return (at, prefix.bytes),
                    Found::Part(_) => tokio::time::sleep(Duration::from_millis(300)).await,
                    _ => panic!("it keeps up"),
                }
            }
        })
    };
    for number in 0..200 {
        assert!(round.push(batch(number)).await);
    }
    round.finish(Vec::new(), Ok(()));
    for reader in fast {
        assert_eq!(reader.await.unwrap(), 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let (at, bytes) = slow.await.unwrap();
    assert_eq!(bytes, (at * BATCH) as u64);
    assert_eq!(consolidator.stats().cut_off, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lone_reader_is_waited_for_and_others_need_not_wait_for_it() {
    let consolidator = consolidator(|_| {});
    let round = form(&consolidator);
    assert!(consolidator.write(&round));
    assert!(round.push(batch(0)).await && round.push(batch(1)).await);
    let next = form(&consolidator);
    assert!(!has_turn(&next).await);
    let pushing = tokio::spawn({
        let round = Arc::clone(&round);
        async move { round.push(batch(2)).await }
    });
    assert!(has_turn(&next).await, "its reader holds it up");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!pushing.is_finished());
    let mut at = 0;
    assert_eq!(read(&round, &mut at), Some(0));
    assert!(pushing.await.unwrap());
    round.depart_for_good(at);
    assert!(round.deserted.is_cancelled() && !round.push(batch(3)).await);
}

#[tokio::test(start_paused = true)]
async fn when_memory_is_full_nobody_joins_and_nobody_may_lag() {
    let consolidator = consolidator(|config| config.bytes = 4 * BATCH as u64);
    let round = form(&consolidator);
    let _place = join(&consolidator, Share::Next, &round);
    assert!(consolidator.write(&round));
    for number in 0..4 {
        assert!(round.push(batch(number)).await);
    }
    let next = form(&consolidator);
    let call = tokio::time::timeout(Duration::from_millis(10), round.push(batch(4))).await;
    assert!(call.is_err(), "it waits for its readers");
    let statement = Statement { share: Share::Next, ..Statement::new("SELECT 1", false) };
    let call = Call {
        id: CallId(2),
        caller: "ben".into(),
        application: Arc::default(),
        deadline: None,
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    };
    let refused = consolidator.admit(&call, &statement, LexMode::default()).err().expect("refused");
    assert_eq!((refused.code, refused.retryable), (vitrail_proto::error::Code::Exhausted, true));
    assert_eq!(consolidator.stats().refused, 1);
    drop((round, next));
}
