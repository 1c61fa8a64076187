//! Turns in time that is paused: what is due when, under every change.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// When each operation began, in milliseconds, of as many clients as there are, each busy for `busy` with each; `act` changes the clock meanwhile.
async fn begun(clock: &Arc<Clock>, clients: usize, busy: Duration, act: impl AsyncFnOnce(Controls)) -> Vec<u64> {
    let begin = Instant::now();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..clients {
        let (mut turns, tell) = (clock.turns(), tell.clone());
        tokio::spawn(async move {
            while turns.next().await.is_some() {
                tell.send(begin.elapsed().as_millis() as u64).expect("somebody listens");
                tokio::time::sleep(busy).await;
            }
        });
    }
    drop(tell);
    act(clock.controls()).await;
    let mut times = Vec::new();
    while let Some(time) = told.recv().await {
        times.push(time);
    }
    times.sort_unstable();
    times
}

fn between(times: &[u64], from: u64, until: u64) -> usize {
    times.iter().filter(|time| (from..until).contains(time)).count()
}

fn longest_gap(times: &[u64]) -> u64 {
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_steady_rate_is_kept() {
    let clock = Clock::start(Some(100.0), SECOND, 2 * SECOND);
    let times = begun(&clock, 4, secs(0.005), async |_| {}).await;
    assert_eq!((times.len(), times[0], longest_gap(&times)), (300, 0, 10));
    assert_eq!(clock.missed(), 0);
}

/// Timers are good for a millisecond, so that many turns of the last one come due after the end.
#[tokio::test(start_paused = true)]
async fn nothing_is_missed_at_the_end_while_clients_wait() {
    for rate in [140.0, 997.3, 8_949.0, 21_977.5, 100_000.0 / 3.0] {
        let clock = Clock::start(Some(rate), secs(0.25), secs(1.05));
        let times = begun(&clock, 400, secs(0.001), async |_| {}).await;
        let due = (rate * 1.3 - 1e-4).ceil() as usize;
        assert_eq!((times.len(), clock.missed()), (due, 0), "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_higher_rate_holds_at_once_though_clients_wait_for_turns_far_ahead() {
    // 64 clients hold the turns of the next 64 seconds, most of them after the end.
    let clock = Clock::start(Some(1.0), Duration::ZERO, 10 * SECOND);
    let times = begun(&clock, 64, Duration::ZERO, async |controls| {
        tokio::time::sleep(secs(2.5)).await;
        controls.set_rate(Some(100.0));
        assert_eq!(controls.rate(), Some(100.0));
    })
    .await;
    // Half of a turn was under way: it ends after half of the new time.
    assert_eq!(times[..4], [0, 1_000, 2_000, 2_505]);
    assert_eq!(between(&times, 2_500, 10_000), 750);
    assert!(longest_gap(&times[3..]) <= 11, "{}", longest_gap(&times[3..]));
    assert_eq!(clock.missed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lower_rate_takes_effect_without_a_burst() {
    let clock = Clock::start(Some(1_000.0), Duration::ZERO, 10 * SECOND);
    let times = begun(&clock, 16, Duration::ZERO, async |controls| {
        tokio::time::sleep(secs(1.0)).await;
        controls.set_rate(Some(10.0));
    })
    .await;
    assert_eq!(between(&times, 0, 1_000), 1_000);
    assert_eq!(between(&times, 1_001, 10_000), 89);
    assert_eq!(longest_gap(&times), 100);
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_time_stays_due_when_it_was() {
    // One client that needs 100 ms can do 10 of 20 a second.
    let clock = Clock::start(Some(20.0), Duration::ZERO, 2 * SECOND);
    let mut turns = clock.turns();
    let begin = Instant::now();
    let mut due = Vec::new();
    while let Some(turn) = turns.next().await {
        due.push((turn.due.expect("an open loop") - begin).as_millis());
        if due.len() == 5 {
            clock.controls().set_rate(Some(10.0));
        }
        tokio::time::sleep(secs(0.1)).await;
    }
    // At 0.4 s 8 turns were due by the old rate; from there on one each 100 ms.
    assert_eq!(due[..12], [0, 50, 100, 150, 200, 250, 300, 350, 400, 500, 600, 700]);
    // 8 in the first 0.4 s and 16 after them, of which the client began 20.
    assert_eq!((due.len(), clock.missed()), (20, 4));
}

#[tokio::test(start_paused = true)]
async fn from_closed_to_open_and_back() {
    let clock = Clock::start(None, Duration::ZERO, 3 * SECOND);
    let times = begun(&clock, 2, secs(0.01), async |controls| {
        tokio::time::sleep(secs(1.001)).await;
        controls.set_rate(Some(50.0));
        tokio::time::sleep(secs(1.0)).await;
        controls.set_rate(None);
        assert_eq!(controls.rate(), None);
    })
    .await;
    // Two clients, each 100 a second.
    assert!((200..=202).contains(&between(&times, 0, 1_001)), "{}", between(&times, 0, 1_001));
    assert!((49..=51).contains(&between(&times, 1_010, 2_001)), "{}", between(&times, 1_010, 2_001));
    assert!((198..=202).contains(&between(&times, 2_001, 3_000)), "{}", between(&times, 2_001, 3_000));
    assert!(longest_gap(&times) <= 21, "{}", longest_gap(&times));
    assert_eq!(clock.missed(), 0);
}

#[tokio::test(start_paused = true)]
async fn turns_of_an_older_timetable_are_void() {
    let clock = Clock::start(Some(1.0), Duration::ZERO, 10 * SECOND);
    let times = begun(&clock, 32, Duration::ZERO, async |controls| {
        tokio::time::sleep(secs(0.5)).await;
        // Nobody is woken between these two.
        controls.set_rate(None);
        controls.set_rate(Some(10.0));
    })
    .await;
    assert_eq!(between(&times, 500, 600), 1, "{times:?}");
    assert_eq!((times.len(), longest_gap(&times)), (96, 500));
}

#[tokio::test(start_paused = true)]
async fn what_was_due_and_not_begun_before_the_loop_was_closed_is_missed() {
    let clock = Clock::start(Some(100.0), Duration::ZERO, 2 * SECOND);
    let times = begun(&clock, 1, secs(0.1), async |controls| {
        tokio::time::sleep(secs(1.0)).await;
        controls.set_rate(None);
    })
    .await;
    assert_eq!(times.len(), 20);
    assert!((89..=91).contains(&clock.missed()), "{}", clock.missed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_wakes_everybody_and_keeps_the_time_it_came() {
    let clock = Clock::start(Some(0.1), SECOND, 100 * SECOND);
    let begin = Instant::now();
    let times = begun(&clock, 8, Duration::ZERO, async |controls| {
        assert_eq!(clock.reach(clock.from).await, begin + SECOND);
        tokio::time::sleep(2 * SECOND).await;
        controls.stop();
        assert!(controls.is_stopped() && !controls.is_changed());
        assert_eq!(clock.reach(begin + 50 * SECOND).await, begin + 3 * SECOND);
    })
    .await;
    assert_eq!((times, begin.elapsed()), (vec![0], 3 * SECOND));
}
