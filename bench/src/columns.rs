//! What the tables of cases show of their figures, those on a screen and those in the documentation.

/// The columns: heading and figure.
pub const COLUMNS: [(&str, &str); 6] = [
    ("events", "events"),
    ("seconds", "seconds"),
    ("CPU s", "cpu_s"),
    ("events/s", "events_per_s"),
    ("events/CPU s", "events_per_cpu_s"),
    ("rss MB", "rss_mb"),
];

/// What stands in no column of its own, and is worth a look.
pub const OTHERS: [&str; 12] = [
    "start_cpu_s",
    "p50_ms",
    "p99_ms",
    "max_ms",
    "start_ms",
    "cpu_percent",
    "sent",
    "times_slower",
    "ahead_records",
    "ahead_mb",
    "rss_half_mb",
    "rss_end_mb",
];
