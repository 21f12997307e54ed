"""`make demo`: the local stack with studies that simulated people rate, on data of its own."""
