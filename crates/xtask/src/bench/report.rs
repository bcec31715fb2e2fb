//! The figures beside their aims: a table for people, a file for programs.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::aims::Aim;
use super::figure::Figure;

/// The figures of a run.
pub struct BenchReport {
    quick: bool,
    figures: Vec<Figure>,
    /// Figures that were not measured, and why.
    skipped: Vec<(String, String)>,
}

impl BenchReport {
    /// An empty report.
    pub fn new(quick: bool) -> Self {
        Self {
            quick,
            figures: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Adds figures.
    pub fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Adds figures that cannot be measured on this machine.
    pub fn skip(&mut self, names: &[&str], why: &str) {
        let skipped = names
            .iter()
            .map(|name| ((*name).to_owned(), why.to_owned()));
        self.skipped.extend(skipped);
    }

    /// Checks that every figure with an aim was measured or skipped with a reason.
    ///
    /// # Errors
    /// One was not.
    pub fn check(&self) -> Result<()> {
        let said = |name: &&str| {
            self.figures.iter().any(|figure| figure.name == *name)
                || self.skipped.iter().any(|(skipped, _)| skipped == name)
        };
        let gone: Vec<_> = Aim::names().filter(|name| !said(name)).collect();
        if !gone.is_empty() {
            bail!("not measured: {}", gone.join("; "));
        }
        Ok(())
    }

    /// The table.
    pub fn print(&self) {
        let rows: Vec<[String; 4]> = self.figures.iter().map(|figure| self.row(figure)).collect();
        let head = ["measure", "value", "aim", ""].map(str::to_owned);
        let width = |column: usize| {
            let cells = rows.iter().chain([&head]).map(|row| row[column].len());
            cells.max().unwrap_or_default()
        };
        let widths = [0, 1, 2].map(width);
        println!();
        for [name, value, aim, result] in [&head].into_iter().chain(&rows) {
            let [a, b, c] = widths;
            let line = format!("{name:a$}  {value:>b$}  {aim:c$}  {result}");
            println!("{}", line.trim_end());
        }
        for (name, why) in &self.skipped {
            println!("{name}: skipped, {why}");
        }
        if self.quick {
            println!("\na short run of development builds: that it works, not how fast it is");
            return;
        }
        let judged = || self.figures.iter().filter_map(is_met);
        let met = judged().filter(|met| *met).count();
        println!(
            "\n{met} of {} aims met, on {} cores",
            judged().count(),
            cores()
        );
    }

    fn row(&self, figure: &Figure) -> [String; 4] {
        let aim = Aim::for_figure(&figure.name);
        let result = match is_met(figure) {
            _ if self.quick => "",
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [
            figure.name.clone(),
            format!("{} {}", format_value(figure.value), figure.unit),
            aim.map(|aim| aim.to_string()).unwrap_or_default(),
            result.to_owned(),
        ]
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.json()).context("cannot write JSON")?;
        if let Some(folder) = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
        Ok(())
    }

    fn json(&self) -> Value {
        let figure = |figure: &Figure| {
            json!({
                "name": figure.name, "value": figure.value, "unit": figure.unit,
                "aim": Aim::for_figure(&figure.name).map(|aim| aim.to_string()),
                "met": is_met(figure).filter(|_| !self.quick),
            })
        };
        let skipped = |(name, why): &(String, String)| json!({"name": name, "why": why});
        json!({
            "quick": self.quick, "cores": cores(),
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
            "skipped": self.skipped.iter().map(skipped).collect::<Vec<_>>(),
        })
    }
}

fn is_met(figure: &Figure) -> Option<bool> {
    Aim::for_figure(&figure.name).map(|aim| aim.is_met(figure.value))
}

/// A value with its significant digits.
fn format_value(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, value: f64) -> Figure {
        Figure {
            name: name.to_owned(),
            value,
            unit: "ms".to_owned(),
        }
    }

    #[test]
    fn a_figure_with_an_aim_that_was_not_printed_is_noticed() {
        let mut report = BenchReport::new(false);
        for name in Aim::names().skip(1) {
            report.add(vec![figure(name, 1.0)]);
        }
        let gone = report.check().unwrap_err().to_string();
        assert_eq!(gone, "not measured: 402 challenges");
        report.skip(&["402 challenges"], "a reason");
        assert!(report.check().is_ok());
    }

    #[test]
    fn a_short_run_judges_nothing() {
        let missed = figure("added to a lease, median", 251.0);
        for (quick, met, word) in [
            (false, Value::Bool(false), "MISSED"),
            (true, Value::Null, ""),
        ] {
            let mut report = BenchReport::new(quick);
            report.add(vec![missed.clone()]);
            assert_eq!(report.json()["figures"][0]["met"], met);
            assert_eq!(report.row(&missed)[3], word);
        }
    }
}
