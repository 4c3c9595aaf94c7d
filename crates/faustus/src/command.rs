//! The program's own commands: `bank produce --count 3`.

use std::{fmt, future::Future, sync::Arc};

use clap::ArgMatches;
use faustus_core::BoxFuture;

use crate::{App, Result, State};

/// The arguments of a command of the program's own, as [`App::command`] gives them: a type with
/// `#[derive(clap::Args)]` or `#[derive(clap::Parser)]`.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<A>(pub A);

/// A function that can be a command of an application with state `S`.
///
/// It is implemented for `async fn(State<S>, Arguments<A>) -> faustus::Result`, where `A` implements
/// [`clap::Args`], and without either argument or both. `M` only keeps them apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a command of an application with state `{S}`",
    label = "not a function that can be a command of this application",
    note = "write `async fn(State<S>, Arguments<A>) -> faustus::Result`, and leave out what you do not need; S is what \
            `App::with_state` was given: `{S}`, and A a type with `#[derive(clap::Args)]`",
    note = "it may run on any thread: what it keeps over an `.await` must be `Send`"
)]
pub trait CommandFn<S, M>: Send + Sync + 'static {
    /// Tells the command line which arguments it takes.
    fn describe(command: clap::Command) -> clap::Command {
        command
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// Arguments that are none of it.
    fn start(
        &self,
        state: S,
        arguments: &ArgMatches,
    ) -> Result<impl Future<Output = Result> + Send + 'static, clap::Error>;
}

impl<F, Fut, S> CommandFn<S, ()> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(
        &self,
        _: S,
        _: &ArgMatches,
    ) -> Result<impl Future<Output = Result> + Send + 'static, clap::Error> {
        Ok(self())
    }
}

impl<F, Fut, S> CommandFn<S, (S,)> for F
where
    F: Fn(State<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    fn start(
        &self,
        state: S,
        _: &ArgMatches,
    ) -> Result<impl Future<Output = Result> + Send + 'static, clap::Error> {
        Ok(self(State(state)))
    }
}

impl<F, Fut, S, A> CommandFn<S, Arguments<A>> for F
where
    F: Fn(Arguments<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
    A: clap::Args,
{
    fn describe(command: clap::Command) -> clap::Command {
        A::augment_args(command)
    }

    fn start(
        &self,
        _: S,
        arguments: &ArgMatches,
    ) -> Result<impl Future<Output = Result> + Send + 'static, clap::Error> {
        Ok(self(Arguments(A::from_arg_matches(arguments)?)))
    }
}

impl<F, Fut, S, A> CommandFn<S, (S, Arguments<A>)> for F
where
    F: Fn(State<S>, Arguments<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
    A: clap::Args,
{
    fn describe(command: clap::Command) -> clap::Command {
        A::augment_args(command)
    }

    fn start(
        &self,
        state: S,
        arguments: &ArgMatches,
    ) -> Result<impl Future<Output = Result> + Send + 'static, clap::Error> {
        let arguments = Arguments(A::from_arg_matches(arguments)?);
        Ok(self(State(state), arguments))
    }
}

type Start = dyn Fn(&ArgMatches) -> Result<BoxFuture<'static, Result>, clap::Error> + Send + Sync;

/// A command without its types.
#[derive(Clone)]
pub(crate) struct CommandDef {
    pub(crate) name: Arc<str>,
    pub(crate) describe: fn(clap::Command) -> clap::Command,
    pub(crate) start: Arc<Start>,
}

impl fmt::Debug for CommandDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandDef")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Adds a command of the program's own to its command line: `bank produce --count 3` runs
    /// `produce`, and then ends.
    ///
    /// It can send and ask as a task can, while workers run and while none does; topics that are
    /// missing are made, as a worker would. Tables are read in workers, so not here. It takes the
    /// arguments of its [`Arguments`] besides the settings of all commands, which say where the log is;
    /// their documentation is its help.
    ///
    /// The exit code is 0 after `Ok`, 1 after an error, which is printed. Ctrl-C drops the future where
    /// it waits: 130.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Arguments, prelude::*};
    ///
    /// /// Sends some numbers.
    /// #[derive(clap::Args)]
    /// struct Produce {
    ///     /// How many
    ///     #[arg(long, default_value_t = 10)]
    ///     count: u64,
    /// }
    ///
    /// async fn produce(State(numbers): State<Topic<u64>>, Arguments(args): Arguments<Produce>) -> faustus::Result {
    ///     for number in 0..args.count {
    ///         numbers.send(&(), &number).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("calculator");
    /// let numbers = app.topic("numbers");
    /// let app = app.with_state(numbers).command("produce", produce);
    /// ```
    #[must_use = "this gives the application back: `let app = app.command(…)`"]
    pub fn command<M, F: CommandFn<S, M>>(self, name: &str, command: F) -> Self {
        let state = self.state.clone();
        let start = move |arguments: &ArgMatches| {
            let started = command.start(state.clone(), arguments)?;
            Ok(Box::pin(started) as BoxFuture<'static, Result>)
        };
        self.def.lock().commands.push(CommandDef {
            name: name.into(),
            describe: F::describe,
            start: Arc::new(start),
        });
        self
    }
}
