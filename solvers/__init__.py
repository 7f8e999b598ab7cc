"""How it is computed: certified roots, spectra, pencils, Monte Carlo and sweeps; knows no paper."""
