"""The estimator of place: hidden cells of the floor, what each antenna hears of them, and how people walk."""
