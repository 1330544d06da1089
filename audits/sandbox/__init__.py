"""Run a stranger's model: loaded only in a confined child process, never in the web or worker process."""
