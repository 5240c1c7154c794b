"""From a trained binary neural network to a verified streaming FPGA accelerator."""
