//! The book's snippets, which compile and run with the documentation's tests.

#[cfg(feature = "cli")]
#[doc = include_str!("../../../docs/book/command-line.md")]
struct CommandLine;

macro_rules! chapters {
    ($($chapter:ident: $file:literal),* $(,)?) => {$(
        #[doc = include_str!(concat!("../../../docs/book/", $file))]
        struct $chapter;
    )*};
}

chapters! {
    Streams: "streams.md",
    Agents: "agents.md",
    Channels: "channels.md",
    Records: "records.md",
    Codecs: "codecs.md",
    Tables: "tables.md",
    Testing: "testing.md",
    Time: "time.md",
    Asking: "asking.md",
    Sensors: "sensors.md",
    Worker: "worker.md",
    Messages: "logs.md",
    Mistakes: "mistakes.md",
    Settings: "settings.md",
    ComingFromFaust: "coming-from-faust.md",
}
