"""What notebooks use around the lab: deploying, waiting, the pipeline, the doctor."""
