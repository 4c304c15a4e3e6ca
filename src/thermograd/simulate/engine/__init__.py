"""Under the isotropic laboratory: chains, their random numbers, the compiled loop and its plain twin."""
