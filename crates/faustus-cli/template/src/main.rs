//! Counts visits of pages: a timer sends a visit every second, an agent counts them in a table.

use std::process::ExitCode;

use faustus::prelude::*;

#[cfg(test)]
mod tests;

/// Somebody has looked at a page.
#[derive(Record, Serialize, Deserialize)]
struct Visit {
    page: String,
}

/// What agents and timers share.
#[derive(Clone)]
struct Site {
    visits: Topic<Visit>,
    /// How often each page was visited.
    counts: Table<String, u64>,
}

/// Counts each visit.
async fn count(State(site): State<Site>, mut visits: Stream<Visit>) -> faustus::Result {
    let counts = visits.bind(&site.counts);
    while let Some(visit) = visits.next().await? {
        let count = counts.update(&*visit.page, |count| *count += 1)?;
        println!("{} {count}", visit.page);
    }
    Ok(())
}

/// Sends a visit. Its key is the page, so that all visits of a page are counted by one part of the table.
async fn visit(State(site): State<Site>) -> faustus::Result {
    let page = "index.html".to_owned();
    site.visits
        .send(&page, &Visit { page: page.clone() })
        .await?;
    Ok(())
}

fn app() -> App<Site> {
    let app = App::new("project-name");
    let (visits, counts) = (app.topic("visits"), app.table("counts"));
    app.with_state(Site {
        visits: visits.clone(),
        counts: counts.clone(),
    })
    .agent("count", &visits, |agent| agent.table(&counts).run(count))
    .timer("visit", secs(1), visit)
}

fn main() -> ExitCode {
    app().main()
}
