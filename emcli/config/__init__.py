"""What is asked for: settings, YAML, experiment files and saved fits."""
