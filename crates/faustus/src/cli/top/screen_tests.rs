//! What is seen.

use crossterm::event::KeyEvent;
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::{
    super::{
        example::{because, history, lane, recovering, since, worker},
        snapshot::{History, Seen},
    },
    *,
};
use crate::control::Lane;

fn screen(history: &History) -> Screen {
    let title = "shop on log ./shop-data".to_owned();
    let mut screen = Screen::new(title, Duration::from_secs(1), TimeZone::UTC, true);
    screen.show(View::new(history));
    screen
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    // Without the quotation marks around each line.
    let lines = terminal.backend().to_string();
    let lines = lines.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn press(screen: &mut Screen, keys: &[KeyCode]) -> Option<Leave> {
    let mut presses = keys.iter().map(|key| screen.press(KeyEvent::from(*key)));
    presses.find_map(|left| left)
}

/// A second of two workers.
fn busy(partitions: u32) -> History {
    let workers = |events: u64| -> Vec<Seen> {
        vec![
            worker(4711, 0..partitions / 2, events),
            worker(4712, partitions / 2..partitions, events / 2),
        ]
    };
    history(workers(12_000), workers(12_800))
}

fn stuck() -> History {
    let mut now = worker(4711, 0..2, 1_000);
    now.lanes = vec![
        because(
            lane(0, "parked"),
            "orders/0@17 failed 4 times, at last: thirteen is\nnot doubled",
        ),
        since(lane(1, "blocking"), 75),
        lane(2, "blocked"),
        Lane {
            failures: Some(2),
            ..because(since(lane(3, "retrying"), -3), "no connection")
        },
        since(lane(4, "in event"), 12),
    ];
    history(vec![worker(4711, 0..2, 1_000)], vec![now])
}

#[test]
fn all_sections_have_some_room_on_a_small_terminal() {
    insta::assert_snapshot!(drawn(&mut screen(&busy(8)), 80, 24));
}

#[test]
fn more_is_seen_on_a_larger_terminal() {
    insta::assert_snapshot!(drawn(&mut screen(&busy(8)), 120, 40));
}

#[test]
fn a_recovery_is_seen_below_its_table() {
    let at = |position| vec![recovering(worker(4711, 0..2, 1_000), 1, position)];
    let history = history(at(21_000), at(56_500));
    insta::assert_snapshot!(drawn(&mut screen(&history), 80, 24));
}

#[test]
fn lanes_that_stand_still_are_seen_with_their_reason() {
    let mut screen = screen(&stuck());
    insta::assert_snapshot!(drawn(&mut screen, 80, 24));
    press(&mut screen, &[KeyCode::Char('4'), KeyCode::Enter]);
    insta::assert_snapshot!(drawn(&mut screen, 80, 10));
}

#[test]
fn many_partitions_are_scrolled() {
    let mut screen = screen(&busy(64));
    press(&mut screen, &[KeyCode::Char('3')]);
    insta::assert_snapshot!(drawn(&mut screen, 80, 24));
    press(&mut screen, &[KeyCode::Down, KeyCode::PageDown]);
    let scrolled = drawn(&mut screen, 80, 24);
    assert!(scrolled.contains("3 PARTITION ↑6 ↓53"), "{scrolled}");
    press(&mut screen, &[KeyCode::End]);
    assert!(drawn(&mut screen, 80, 24).contains("PARTITION ↑59 "));
    press(&mut screen, &[KeyCode::Home]);
    assert!(drawn(&mut screen, 80, 24).contains("PARTITION ↓59 "));
}

#[test]
fn where_little_has_room_the_chosen_section_has_it() {
    let mut screen = screen(&busy(8));
    press(&mut screen, &[KeyCode::Tab, KeyCode::Tab]);
    insta::assert_snapshot!(drawn(&mut screen, 60, 9));
    for (width, height) in [(1, 1), (5, 3), (20, 6), (300, 100)] {
        drawn(&mut screen, width, height);
    }
}

#[test]
fn a_worker_that_is_gone_leaves_its_last_figures() {
    let mut screen = screen(&busy(4));
    screen.miss("no worker answers".to_owned());
    insta::assert_snapshot!(drawn(&mut screen, 80, 24));
    screen.show(View::new(&busy(4)));
    assert!(!drawn(&mut screen, 80, 24).contains("no worker"));
}

#[test]
fn a_picture_that_is_paused_stands_still_and_then_shows_the_newest() {
    let mut screen = screen(&busy(4));
    press(&mut screen, &[KeyCode::Char('p')]);
    let paused = drawn(&mut screen, 80, 24);
    assert!(paused.contains("paused"), "{paused}");
    screen.show(View::new(&busy(8)));
    assert_eq!(drawn(&mut screen, 80, 24), paused);
    press(&mut screen, &[KeyCode::Char('p')]);
    let newest = View::new(&busy(8));
    assert_eq!(screen.view, newest);
}

#[test]
fn partitions_are_sorted_by_lag_or_by_name() {
    let mut screen = screen(&busy(4));
    press(&mut screen, &[KeyCode::Char('3')]);
    let first = |screen: &mut Screen| {
        let drawn = drawn(screen, 80, 40);
        let line = drawn.lines().find(|line| line.contains("orders/")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(first(&mut screen), "orders/3", "the most behind");
    press(&mut screen, &[KeyCode::Char('s')]);
    assert_eq!(first(&mut screen), "orders/0");
}

#[test]
fn keys_end_it() {
    let mut screen = screen(&busy(4));
    assert_eq!(press(&mut screen, &[KeyCode::Char('x')]), None);
    assert_eq!(press(&mut screen, &[KeyCode::Char('q')]), Some(Leave::Done));
    assert_eq!(press(&mut screen, &[KeyCode::Esc]), Some(Leave::Done));
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.press(control_c), Some(Leave::Interrupted));
}

#[test]
fn colours_mean_something_and_can_be_done_without() {
    let colors = |colored: bool| {
        let mut screen = screen(&stuck());
        screen.colored = colored;
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let cells = terminal.backend().buffer().content().iter();
        let colors = cells
            .map(|cell| cell.fg)
            .filter(|color| *color != Color::Reset);
        colors.collect::<std::collections::HashSet<_>>()
    };
    assert_eq!(colors(true).len(), 3);
    assert!(colors(false).is_empty());
}

#[test]
fn what_is_wrong_is_told_to_its_end() {
    let mut screen = screen(&busy(4));
    screen.miss(
        "process 7 does not answer, so it hangs or is stopped: let it go on or end it".to_owned(),
    );
    let drawn = drawn(&mut screen, 60, 24);
    let lines: Vec<_> = drawn.lines().skip(3).take(2).collect();
    let expected = [
        " process 7 does not answer, so it hangs or is stopped: let",
        " it go on or end it",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn lines_are_shared_fairly() {
    assert_eq!(shares([3, 3, 3], 0, 20), [3, 3, 3], "all want little");
    assert_eq!(
        shares([9, 9, 1], 0, 11),
        [6, 4, 1],
        "the chosen one has more"
    );
    assert_eq!(shares([9, 9, 9], 1, 5), [0, 5, 0], "only one has room");
    assert_eq!(shares([9, 9, 9], 1, 0), [0, 0, 0]);
}
