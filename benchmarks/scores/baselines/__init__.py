"""Estimators of other people's making, to be beaten: each has the interface of `tagtrail.analytics.estimator`."""
