//! Turns figures into what people look at: tables in Markdown and plots in SVG.
//!
//! It measures nothing. What it reads are the lines of JSON that `bench` tells, and the files of the
//! driver that runs the programs for other systems in turn.

mod curves;
mod lines;
mod numbers;
mod page;
mod peers;
mod pieces;
mod svg;
mod table;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use lines::Line;

/// Makes tables and plots of what was measured.
#[derive(Debug, Parser)]
#[command(name = "plots")]
enum Command {
    /// Draws the plots of all files in DIR/data and fills the tables into DIR/README.md.
    Draw {
        /// The directory of the page.
        dir: PathBuf,
    },
    /// Prints the table of a file of lines that `bench` told.
    Table {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match perform(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plots: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<()> {
    match command {
        Command::Draw { dir } => {
            let pieces = pieces::of_files(&dir.join("data"))?;
            for (name, plot) in &pieces.plots {
                let file = dir.join(format!("{name}.svg"));
                fs::write(&file, &plot.svg).with_context(|| file.display().to_string())?;
            }
            let page = dir.join("README.md");
            let context = || page.display().to_string();
            let text = fs::read_to_string(&page).with_context(context)?;
            let text = page::filled(&text, &pieces).with_context(context)?;
            fs::write(&page, text).with_context(context)
        }
        Command::Table { file } => {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            print!("{}", table::of_cases(&Line::all(&text)?));
            Ok(())
        }
    }
}
