"""How well visits agree with the truth, and the data to ask it on."""
