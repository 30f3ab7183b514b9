"""What people and schedulers run: the command line, runs, takeover, reports."""
