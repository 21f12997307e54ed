"""What people ask of a study: how good, how sure, which API, which parameter, which rater, and whether to go on."""
