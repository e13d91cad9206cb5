"""The sources of lookup calls, and the batcher that answers them."""
