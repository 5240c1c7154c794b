"""What the hardware must do: values, time, and simulators that compare it."""
