"""What tests share: samples, what Hypothesis draws, references, drivers of streams, data."""
