//! The queue beside a simple model, under threads, and under overload in paused time.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::{JoinSet, yield_now};

use super::*;

fn limits(size: usize) -> Limits {
    let overload = Overload { target: Duration::ZERO, interval: Duration::ZERO };
    Limits { size, per_user: size, waiters: 10_000, wait: Duration::from_secs(60), overload }
}

fn user(number: usize) -> Arc<str> {
    format!("user{number}").into()
}

fn is_shed<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Overloaded { .. }))
}

impl Queue<()> {
    /// A place for somebody who brings no passenger.
    async fn place(self: &Arc<Self>, user: &Arc<str>, deadline: Option<Instant>) -> Result<Place<()>> {
        Ok(place(self.take(user, deadline, None).await?))
    }
}

fn place(turn: Turn<()>) -> Place<()> {
    let Turn::Place(place) = turn else { panic!("nobody takes anybody along") };
    place
}

/// What the queue should do, by going through everybody each time.
#[derive(Default, Clone)]
struct Model {
    /// Ticket, user, in order of arrival.
    waiting: Vec<(u64, usize)>,
    held: HashMap<usize, usize>,
    /// When each waiting user went to the back.
    turns: HashMap<usize, u64>,
    clock: u64,
    free: usize,
    per_user: usize,
}

impl Model {
    fn held(&self, user: usize) -> usize {
        self.held.get(&user).copied().unwrap_or(0)
    }

    fn arrive(&mut self, ticket: u64, user: usize) -> bool {
        let mine = self.waiting.iter().any(|(_, known)| *known == user);
        if !mine && self.free > 0 && self.held(user) < self.per_user {
            self.free -= 1;
            *self.held.entry(user).or_default() += 1;
            return true;
        }
        self.clock += 1;
        if !mine {
            self.turns.insert(user, self.clock);
        }
        self.waiting.push((ticket, user));
        false
    }

    /// A place comes back; the ticket that gets one.
    fn release(&mut self, user: usize) -> Option<u64> {
        self.free += 1;
        *self.held.get_mut(&user).expect("it held one") -= 1;
        let next = self.next()?;
        self.free -= 1;
        *self.held.entry(next).or_default() += 1;
        self.call(next)
    }

    /// Somebody who has a place takes the next one along.
    fn board(&mut self, owner: usize) -> Option<u64> {
        self.call(self.next().unwrap_or(owner))
    }

    /// The user who is next.
    fn next(&self) -> Option<usize> {
        let ready = self.waiting.iter().filter(|(_, user)| self.held(*user) < self.per_user);
        ready.map(|(_, user)| (self.held(*user), self.turns[user], *user)).min().map(|(.., user)| user)
    }

    /// The first one of a user's line leaves it.
    fn call(&mut self, user: usize) -> Option<u64> {
        let at = self.waiting.iter().position(|(_, known)| *known == user)?;
        self.clock += 1;
        self.turns.insert(user, self.clock);
        Some(self.waiting.remove(at).0)
    }
}

#[test]
fn the_queue_does_what_a_simple_model_does() {
    for seed in 0..200 {
        let mut chance = StdRng::seed_from_u64(seed);
        let (size, users) = (chance.random_range(1..6), chance.random_range(1..5));
        let per_user = chance.random_range(1..=size);
        let queue = Queue::<()>::new(Limits { per_user, ..limits(size) });
        let mut model = Model { free: size, per_user, ..Model::default() };
        let mut waiting: HashMap<u64, Waiting<'_, ()>> = HashMap::new();
        // Served, and told so or not.
        let mut places: Vec<(usize, Place<()>)> = Vec::new();
        let mut untold: Vec<(usize, Waiting<'_, ()>)> = Vec::new();
        let mut owners: HashMap<u64, usize> = HashMap::new();
        for ticket in 0..400 {
            let mut served = None;
            match chance.random_range(0..10) {
                0..5 => {
                    let owner = chance.random_range(0..users);
                    let entry = queue
                        .enter(&user(owner), None, (ticket % 3 > 0).then(|| Box::new(ticket) as Passenger))
                        .unwrap();
                    let expected = model.arrive(ticket, owner);
                    owners.insert(ticket, owner);
                    match entry {
                        Entry::Served(place) => {
                            assert!(expected, "seed {seed}: served, and should wait");
                            places.push((owner, place));
                        }
                        Entry::Waiting(entry) => {
                            assert!(!expected, "seed {seed}: waits, and should be served");
                            waiting.insert(ticket, entry);
                        }
                    }
                }
                5..8 if !places.is_empty() => {
                    let (owner, place) = places.swap_remove(chance.random_range(0..places.len()));
                    drop(place);
                    served = model.release(owner);
                }
                8 if !waiting.is_empty() => {
                    let tickets: Vec<u64> = waiting.keys().copied().collect();
                    let leaving = tickets[chance.random_range(0..tickets.len())];
                    waiting.remove(&leaving);
                    model.waiting.retain(|(ticket, _)| *ticket != leaving);
                }
                // Somebody who was served leaves before it notices.
                9 if !untold.is_empty() => {
                    let (owner, entry) = untold.swap_remove(chance.random_range(0..untold.len()));
                    drop(entry);
                    served = model.release(owner);
                }
                // Somebody takes the next one along, if it likes to.
                _ if !places.is_empty() && chance.random_bool(0.5) => {
                    let mut taken = None;
                    let (owner, place) = &places[chance.random_range(0..places.len())];
                    let seat = queue.board(place, |passenger| {
                        taken = passenger.downcast_ref::<u64>().copied();
                        true
                    });
                    let next = model.clone().board(*owner);
                    assert_eq!(taken, next.filter(|ticket| ticket % 3 > 0), "seed {seed}: who is taken along");
                    assert_eq!(seat.is_some(), taken.is_some());
                    if let Some(ticket) = taken {
                        model.board(*owner);
                        drop(waiting.remove(&ticket).expect("it waited"));
                    }
                }
                _ => {
                    for (owner, mut entry) in untold.drain(..) {
                        places.push((owner, place(entry.served.try_recv().expect("it was served"))));
                    }
                }
            }
            let mut told: Vec<u64> = Vec::new();
            for (ticket, entry) in &waiting {
                if !entry.served.is_empty() {
                    told.push(*ticket);
                }
            }
            assert_eq!(told, served.into_iter().collect::<Vec<_>>(), "seed {seed}: who was served");
            for ticket in told {
                untold.push((owners[&ticket], waiting.remove(&ticket).expect("it waited")));
            }
            let figures = queue.figures();
            assert_eq!((figures.taken, figures.waiting), (size - model.free, model.waiting.len()), "seed {seed}");
        }
        drop((waiting, untold, places));
        assert_eq!((queue.figures().taken, queue.figures().waiting), (0, 0), "seed {seed}: nothing is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    let queue = Queue::new(Limits { per_user: 2, ..limits(3) });
    let mut tasks = JoinSet::new();
    for number in 0..64_u64 {
        let queue = Arc::clone(&queue);
        tasks.spawn(async move {
            let mut chance = StdRng::seed_from_u64(number);
            let me = user(number as usize % 5);
            let mut served = 0;
            for _ in 0..400 {
                // Some lose interest while they wait, at any moment.
                let patience = chance.random_range(0..20);
                let place = tokio::select! {
                    biased;
                    place = queue.place(&me, None) => place.unwrap(),
                    () = async { for _ in 0..patience { yield_now().await } } => continue,
                };
                served += 1;
                yield_now().await;
                drop(place);
            }
            served
        });
    }
    let served: usize = tasks.join_all().await.into_iter().sum();
    assert!(served > 0);
    let figures = queue.figures();
    assert_eq!((figures.taken, figures.waiting), (0, 0));
    // Each place can still be had.
    let all: Vec<_> = (0..3).map(|number| queue.try_take(&user(number)).expect("it is free")).collect();
    assert!(queue.try_take(&user(9)).is_none());
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_alone_is_not_behind_ten_thousand() {
    let queue = Queue::<()>::new(limits(4));
    let places: Vec<_> = (0..4).map(|_| queue.try_take(&user(0)).unwrap()).collect();
    let mut crowd = Vec::new();
    for _ in 0..9_999 {
        let Entry::Waiting(entry) = queue.enter(&user(0), None, None).unwrap() else { panic!("all places are taken") };
        crowd.push(entry);
    }
    let Entry::Waiting(mut alone) = queue.enter(&user(1), None, None).unwrap() else { panic!("all places are taken") };
    let full = queue.enter(&user(1), None, None).map(|_| ());
    assert!(matches!(full, Err(Error::QueueFull { size: 4, waiting: 10_000 })), "{full:?}");
    assert_eq!(queue.figures().overflowed, 1);
    drop(places.into_iter().next());
    assert!(alone.served.try_recv().is_ok(), "it holds nothing, the crowd holds places");
}

#[tokio::test(start_paused = true)]
async fn users_share_the_places_however_long_their_statements_are() {
    let queue = Queue::new(limits(8));
    let (slow, quick) = (user(0), user(1));
    let mut tasks = JoinSet::new();
    for (name, millis) in [(&slow, 1000), (&quick, 10)] {
        for _ in 0..100 {
            let (queue, name) = (Arc::clone(&queue), Arc::clone(name));
            tasks.spawn(async move {
                loop {
                    let place = queue.place(&name, None).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    drop(place);
                }
            });
        }
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let state = queue.state.lock();
    let held = |name| state.users[state.names[name]].held;
    assert_eq!((held(&slow), held(&quick)), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn overload_refuses_the_newest_and_keeps_every_place_busy() {
    let overload = Overload { target: Duration::from_millis(500), interval: Duration::from_secs(1) };
    let queue = Queue::new(Limits { overload, ..limits(10) });
    // Ten places, 10 ms a statement: a thousand a second. Twice as many come.
    let (me, other) = (user(0), user(1));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    let (mut refused, mut first_refusal, mut other_refused) = (0, None, 0);
    for number in 0..20_000_u32 {
        tokio::time::sleep_until(start + Duration::from_micros(500) * number).await;
        let mut taking = Box::pin({
            let (queue, me) = (Arc::clone(&queue), Arc::clone(&me));
            async move {
                let asked = Instant::now();
                let place = queue.place(&me, None).await?;
                let waited = asked.elapsed();
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(place);
                Ok::<_, Error>(waited)
            }
        });
        match futures_poll(&mut taking).await {
            Some(outcome) => {
                assert!(is_shed(&outcome), "{outcome:?}");
                first_refusal.get_or_insert(start.elapsed());
                refused += 1;
            }
            None => {
                tasks.spawn(taking);
            }
        }
        // Somebody else, who asks little, is served all the time.
        if number % 100 == 0 {
            other_refused += usize::from(is_shed(&queue.place(&other, None).await));
        }
    }
    let took = start.elapsed();
    let waits: Vec<Duration> =
        tasks.join_all().await.into_iter().map(|waited| waited.expect("it was let in")).collect();
    let first_refusal = first_refusal.expect("twice as many come");
    // The delay is at the target after a second of two in, one out; a second later it was too long for an interval.
    assert!((Duration::from_millis(1500)..Duration::from_millis(2500)).contains(&first_refusal), "{first_refusal:?}");
    let goodput = waits.len() as f64 / (took.as_secs_f64() + 1.0);
    assert!(goodput > 850.0, "{goodput} a second of 1000 possible ones, {refused} refused");
    let longest = waits.iter().max().unwrap();
    // Whoever came last before that has two thousand before it.
    assert!(*longest < Duration::from_millis(2200), "{longest:?}");
    let late = &waits[waits.len() / 2..];
    let mean = late.iter().sum::<Duration>() / late.len() as u32;
    assert!(mean < Duration::from_millis(700), "{mean:?}");
    assert_eq!(other_refused, 0);
    assert_eq!(queue.figures().shed, refused);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_line_stays_as_long_as_its_target_allows() {
    let overload = Overload { target: Duration::from_millis(500), interval: Duration::from_secs(1) };
    // Four places, 10 ms a statement: 400 a second, so that 200 wait for half a second. Three times as many come, and no more than 260 may wait.
    let queue = Queue::new(Limits { overload, waiters: 260, ..limits(4) });
    let (me, start) = (user(0), Instant::now());
    let mut tasks = JoinSet::new();
    let (mut overflowed, mut shortest) = (0, usize::MAX);
    for number in 0..18_000_u32 {
        tokio::time::sleep_until(start + Duration::from_micros(833) * number).await;
        let (queue, me) = (Arc::clone(&queue), Arc::clone(&me));
        if start.elapsed() > Duration::from_secs(4) {
            shortest = shortest.min(queue.figures().waiting);
        } else {
            overflowed = queue.figures().overflowed;
        }
        tasks.spawn(async move {
            let asked = Instant::now();
            let place = queue.place(&me, None).await?;
            let waited = asked.elapsed();
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(place);
            Ok::<_, Error>((asked, waited))
        });
    }
    let served: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let late = served.iter().filter(|(asked, _)| *asked - start > Duration::from_secs(4)).map(|(_, waited)| *waited);
    let (least, most) = (late.clone().min().unwrap(), late.max().unwrap());
    assert!(least > Duration::from_millis(400) && most < Duration::from_millis(600), "{least:?} to {most:?}");
    assert!(shortest > 150, "only {shortest} waited at a time");
    assert_eq!(queue.figures().overflowed, overflowed, "the line overflowed after it was known to be overloaded");
}

#[tokio::test(start_paused = true)]
async fn a_standstill_that_is_over_refuses_nobody_for_ever() {
    let overload = Overload { target: Duration::from_millis(500), interval: Duration::from_secs(1) };
    let queue = Queue::new(Limits { overload, ..limits(1) });
    let me = user(0);
    let mut tasks = JoinSet::new();
    let work = async |queue: Arc<Queue<()>>, me: Arc<str>, takes: Duration| {
        let place = queue.place(&me, None).await?;
        tokio::time::sleep(takes).await;
        drop(place);
        Ok::<_, Error>(())
    };
    // One statement stands still for four seconds, and ten others come each second.
    tasks.spawn(work(Arc::clone(&queue), Arc::clone(&me), Duration::from_secs(4)));
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tasks.spawn(work(Arc::clone(&queue), Arc::clone(&me), Duration::from_millis(1)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = queue.figures().shed;
    assert!(during > 0, "a standstill is overload");
    // Afterwards three come at once, and are done before the next three.
    for _ in 0..500 {
        for _ in 0..3 {
            tasks.spawn(work(Arc::clone(&queue), Arc::clone(&me), Duration::from_millis(5)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queue.figures().shed, during, "refused after it was over");
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_no_overload_and_a_standstill_is() {
    let overload = Overload { target: Duration::from_millis(500), interval: Duration::from_secs(1) };
    let queue = Queue::new(Limits { overload, ..limits(1) });
    let me = user(0);
    let place = queue.try_take(&me).unwrap();
    let Entry::Waiting(first) = queue.enter(&me, None, None).unwrap() else { panic!("the place is taken") };
    tokio::time::advance(Duration::from_millis(1400)).await;
    let Entry::Waiting(second) = queue.enter(&me, None, None).unwrap() else { panic!("the place is taken") };
    tokio::time::advance(Duration::from_millis(101)).await;
    // Nothing has moved for the target and an interval.
    let refused = queue.place(&me, None).await.map(|_| ());
    assert!(
        matches!(&refused, Err(Error::Overloaded { delay }) if *delay >= Duration::from_millis(1500)),
        "{refused:?}"
    );
    let body = refused.unwrap_err().to_body();
    assert_eq!((body.code.as_str(), body.errno, body.retryable), ("throttled", 61001, true));
    assert!(body.retry_after_ms.is_some_and(|ms| ms >= 1500), "{body}");
    // It moves again: whoever comes is let in.
    drop((place, first));
    let mut second = second;
    let place = self::place(second.served.try_recv().expect("it was served"));
    let Entry::Waiting(third) = queue.enter(&me, None, None).unwrap() else { panic!("the place is taken") };
    // Yet not one whose own deadline would pass meanwhile.
    tokio::time::advance(Duration::from_millis(300)).await;
    let hurried = queue.place(&me, Some(Instant::now() + Duration::from_millis(200))).await;
    assert!(is_shed(&hurried));
    drop((place, third));
    assert_eq!(queue.figures().taken, 0);
}

#[tokio::test(start_paused = true)]
async fn waits_end_in_time_and_with_the_queue() {
    let queue = Queue::new(Limits { wait: Duration::from_secs(5), ..limits(1) });
    let me = user(0);
    let place = queue.try_take(&me).unwrap();
    let late = queue.place(&me, None).await.map(|_| ());
    assert!(matches!(late, Err(Error::WaitTimeout { deadline: false, .. })), "{late:?}");
    let late = queue.place(&me, Some(Instant::now() + Duration::from_secs(1))).await.map(|_| ());
    assert!(matches!(late, Err(Error::WaitTimeout { deadline: true, .. })), "{late:?}");
    let waiting = tokio::spawn({
        let (queue, me) = (Arc::clone(&queue), Arc::clone(&me));
        async move { queue.place(&me, None).await.map(|_| ()) }
    });
    while queue.figures().waiting == 0 {
        yield_now().await;
    }
    queue.close();
    assert!(matches!(waiting.await.unwrap(), Err(Error::PoolClosed)));
    assert!(matches!(queue.place(&me, None).await.map(|_| ()), Err(Error::PoolClosed)));
    drop(place);
    assert_eq!(queue.figures().taken, 0);
}

#[test]
fn users_who_do_nothing_are_forgotten() {
    let queue = Queue::<()>::new(limits(1));
    for number in 0..10_000 {
        drop(queue.try_take(&user(number)).expect("it is free"));
        assert!(queue.state.lock().names.len() <= REMEMBERED_USERS);
    }
    assert!(queue.state.lock().users.len() <= REMEMBERED_USERS);
}

/// Polls once; the output if it is there.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

/// What the queue costs beside tokio's semaphore, which knows no users, and how even the service is.
///
/// `cargo test --release -p vitrail-mysql --lib figures_of_the_queue -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures for docs/performance.md"]
async fn figures_of_the_queue() {
    const SIZE: usize = 16;
    for (tasks, users) in [(1, 1), (2, 1), (20, 1), (1000, 1), (1000, 100), (10_000, 1)] {
        let queue = Queue::new(Limits { waiters: 100_000, ..limits(SIZE) });
        let semaphore = Arc::new(tokio::sync::Semaphore::new(SIZE));
        for (kind, fair) in [("tokio's semaphore", false), ("the queue", true)] {
            if !fair && users > 1 {
                continue;
            }
            let rounds = 2_000_000 / tasks.max(4);
            let start = Instant::now();
            let mut set = JoinSet::new();
            for number in 0..tasks {
                let (queue, semaphore, me) = (Arc::clone(&queue), Arc::clone(&semaphore), user(number % users));
                set.spawn(async move {
                    let mut waits = Vec::with_capacity(rounds);
                    for _ in 0..rounds {
                        let asked = Instant::now();
                        if fair {
                            let place = queue.place(&me, None).await.unwrap();
                            waits.push(asked.elapsed());
                            yield_now().await;
                            drop(place);
                        } else {
                            let permit = semaphore.acquire().await.unwrap();
                            waits.push(asked.elapsed());
                            yield_now().await;
                            drop(permit);
                        }
                    }
                    waits
                });
            }
            let mut waits: Vec<Duration> = set.join_all().await.into_iter().flatten().collect();
            let each = start.elapsed() / waits.len() as u32;
            waits.sort_unstable();
            let at = |part: f64| waits[(waits.len() as f64 * part) as usize].as_secs_f64() * 1e6;
            println!(
                "{tasks:6} tasks, {users:3} users: {:5} ns each, wait p50 {:9.1} us, p99 {:9.1} us: {kind}",
                each.as_nanos(),
                at(0.50),
                at(0.99)
            );
        }
    }
}
