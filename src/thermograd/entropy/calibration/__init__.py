"""How far each estimator can be trusted, measured on laws whose entropy is known."""
