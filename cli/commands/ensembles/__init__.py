"""Commands about ensembles: plan, encode and train them, what members were trained on, samples."""
