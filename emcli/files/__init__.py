"""Files and standard streams: inputs that are never written, outputs that are whole or untouched."""
