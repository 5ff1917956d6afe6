"""What codes and withdrawals imply for an ensemble, computed without training anything: the plan of
an encoding, the withdrawals that it can take, the cost of retraining. Computations over codes enter
here.
"""
