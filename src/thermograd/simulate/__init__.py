"""Models whose thermodynamics is exact: the isotropic laboratory and the toy sphere."""
