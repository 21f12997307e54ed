"""The words of a captioner: which word each token is, from whatever file the tokenizer was saved to."""
